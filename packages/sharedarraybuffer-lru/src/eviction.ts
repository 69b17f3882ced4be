import { failpoint } from './failpoint.js';
import { GHOST } from './ghosts.js';
import { BUCKET_SLOTS, SEGMENT } from './layout.js';
import { META, SEAL, sealOfPlace, slotOf, UNIT_BYTES, VALUE_BYTES } from './record.js';
import type { Ring } from './ring.js';
import { MARK, type Segment, SegmentCorruptError } from './segment.js';

/** Hits on probation that take an entry to the main ring. */
const HITS_TO_STAY = 1;
/**
 * Records moved for one set, and one more for so many units of its record; the next is evicted instead, so that
 * a set ends in bounded time.
 */
const MAX_MOVED = 64;
const UNITS_PER_MOVE = 16;

/** Shorter records are moved by a loop, which costs less than a call of `copyWithin`. */
const LOOP_WORDS = 128;
/** Dead and expired records of the main ring that one set clears away in passing. */
const MAX_SWEPT = 64;
/** Full buckets met by one thread for which the hits of one pair are lowered. */
const CONFLICTS_PER_AGEING = 4;
/** Sets of one thread between two such looks, each of which loads a line that is out of the cache. */
const SETS_PER_SWEEP = 8;

/**
 * Who stays, on two logs. New entries pass through the small ring. What was hit there goes on to the main
 * ring. An entry at the tail of the main ring that was hit is spared by moving it to the head.
 *
 * In between lie two choices, and each segment learns from its ghosts, the keys that it evicted lately, how
 * often to make which:
 *
 *   recency   An entry leaves the small ring without a hit. Evict it, and all in the main ring live longer:
 *             S3-FIFO (Yang et al., SOSP 2023), strong where popularity lasts, and against scans. Or move it
 *             on to the main ring, and both rings are one CLOCK: nearly LRU, strong where what is new is
 *             what is needed. In the same proportion a spared entry loses all of its hits, or one.
 *             For: it was evicted from the small ring, and came back.
 *             Against: a proven entry was evicted from the main ring, and came back.
 *   returns   A key comes back soon after it was evicted. Into the main ring at once, as in S3-FIFO; or
 *             through the small ring again, so that a loop longer than the cache leaves alone what is there.
 *             For: an entry of the main ring that was not proven is hit.
 *             Against: an entry was evicted from the main ring, and came back.
 *
 * A log holds dead records too (overwritten, deleted). As long as the live ones leave a seventh of the
 * main ring, nothing is evicted: live records at the tail are moved, and the dead ones give their
 * space. So a key that is written often does not push out keys that are not.
 *
 * Everything here runs under the segment's lock.
 */
export class Eviction {
  readonly #segment: Segment;
  readonly #roomyUnits: number;
  /** Records that may still be moved for the set at work. */
  #moves = 0;
  #untilSweep = 0;
  #conflicts = 0;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#roomyUnits = Math.floor((segment.main.size * 6) / 7) - segment.slackUnits;
  }

  /** The ring for an entry that was not in the cache, and now gets this slot. */
  ringForNew(slot: number, h1: number): Ring {
    const segment = this.#segment;
    const ghost = segment.ghosts.take(h1);
    if (ghost === GHOST.none) return segment.small;
    this.#regret(ghost);
    if (!segment.returns.choose()) return segment.small;
    segment.setMark(slot, MARK.returned);
    return segment.main;
  }

  /** Room for a record in that ring, or in the main ring if it is too large for the small one. */
  allocate(wanted: Ring, units: number, now: number): number {
    const { small, main } = this.#segment;
    // One entry must not take all of the small ring: the others would pass through it unseen.
    const ring = units > small.size >> 2 ? main : wanted;
    this.#moves = MAX_MOVED + Math.floor(units / UNITS_PER_MOVE);
    if (ring === main) this.#makeRoomInMain(units, now);
    else this.#makeRoomInSmall(units, now);
    failpoint('evicted');
    return ring.append(units);
  }

  /** A free slot for the key; if both of its buckets are full, the entry that is worth least gives way. */
  slotFor(h1: number, h2: number): number {
    const segment = this.#segment;
    const first = segment.bucket1(h2);
    const inFirst = this.#freeIn(first);
    // The second bucket only when the first is nearly full: readers then mostly look at one line.
    if (inFirst > 1) return this.#freeSlot(first);
    const second = segment.bucket2(h1, h2);
    const inSecond = this.#freeIn(second);
    if (inFirst + inSecond > 0) return this.#freeSlot(inSecond > inFirst ? second : first);
    const victim = this.#leastOf(first, second);
    this.#conflicts = (this.#conflicts + 1) % CONFLICTS_PER_AGEING;
    if (this.#conflicts === 0 || this.#hits(victim) > 0) {
      this.#age(first);
      if (second !== first) this.#age(second);
    }
    if (segment.mark(victim) === MARK.unproven) this.#evictFromSmall(victim);
    else this.#evictFromMain(victim);
    return victim;
  }

  #freeIn(bucket: number): number {
    const { words } = this.#segment;
    let free = 0;
    for (let i = 0; i < BUCKET_SLOTS; i += 1) if (words[bucket + BUCKET_SLOTS + i] === 0) free += 1;
    return free;
  }

  #freeSlot(bucket: number): number {
    const { words } = this.#segment;
    let i = 0;
    while (words[bucket + BUCKET_SLOTS + i] !== 0) i += 1;
    return this.#segment.slotAt(bucket, i);
  }

  /** The entry of both buckets that is to give way. */
  #leastOf(first: number, second: number): number {
    const segment = this.#segment;
    const byAge = segment.recency.choose();
    let victim = -1;
    for (let bucket = first; ; bucket = second) {
      for (let i = 0; i < BUCKET_SLOTS; i += 1) {
        const slot = segment.slotAt(bucket, i);
        if (victim < 0 || this.#isWorthLess(slot, victim, byAge)) victim = slot;
      }
      if (bucket === second) return victim;
    }
  }

  /** Fewer hits; or else, unless it goes by age alone, not hit before either; or else older. */
  #isWorthLess(slot: number, other: number, byAge: boolean): boolean {
    const segment = this.#segment;
    const hits = this.#hits(slot) - this.#hits(other);
    if (hits !== 0) return hits < 0;
    const isProven = segment.mark(slot) === MARK.proven;
    if (!byAge && isProven !== (segment.mark(other) === MARK.proven)) return !isProven;
    const place = segment.place(slot);
    const ring = segment.ringOf(place);
    if (ring !== segment.ringOf(segment.place(other))) return ring === segment.main;
    return ring.age(place) > ring.age(segment.place(other));
  }

  /** As the hand of a CLOCK: where no tail of a ring comes by, hits would last for ever. */
  #age(bucket: number): void {
    const { bytes } = this.#segment;
    for (let i = 0; i < BUCKET_SLOTS; i += 1) {
      const slot = this.#segment.slotAt(bucket, i);
      const hits = this.#hits(slot);
      if (hits === 0) continue;
      this.#prove(slot);
      bytes[this.#segment.frequencyByte(slot)] = hits - 1;
    }
  }

  #hits(slot: number): number {
    return this.#segment.bytes[this.#segment.frequencyByte(slot)] as number;
  }

  #makeRoomInSmall(units: number, now: number): void {
    const segment = this.#segment;
    const { small } = segment;
    if (small.span(units) > small.free && --this.#untilSweep < 0) this.#sweepMain(now);
    while (small.span(units) > small.free) {
      const record = this.#liveAtTail(small, now);
      if (record < 0) continue;
      const size = segment.unitsAt(record);
      const slot = slotOf(segment.words[record + META] as number);
      const hits = segment.bytes[segment.frequencyByte(slot)] as number;
      if (hits >= HITS_TO_STAY) segment.setMark(slot, MARK.proven);
      const stays = hits >= HITS_TO_STAY || this.#isRoomFor(size) || segment.recency.choose();
      if (stays && this.#moves > 0) {
        this.#moves -= 1;
        this.#makeRoomInMain(size, now);
        this.#move(record, slot, size, small);
        segment.bytes[segment.frequencyByte(slot)] = 0;
      } else if (hits >= HITS_TO_STAY) {
        this.#evictFromMain(slot);
      } else {
        this.#evictFromSmall(slot);
      }
      small.drop(size);
    }
  }

  /** Whether nobody has to leave the main ring for so many units more. */
  #isRoomFor(units: number): boolean {
    const { main, slackUnits } = this.#segment;
    return main.live + units <= this.#roomyUnits || main.span(units) + slackUnits <= main.free;
  }

  /** Entries that are over must not keep the main ring from being roomy. */
  #sweepMain(now: number): void {
    const { main } = this.#segment;
    this.#untilSweep = SETS_PER_SWEEP;
    for (let i = 0; i < MAX_SWEPT && main.used > 0; i += 1) if (this.#liveAtTail(main, now) >= 0) return;
  }

  #makeRoomInMain(units: number, now: number): void {
    const segment = this.#segment;
    const { main, bytes } = segment;
    while (main.span(units) + segment.slackUnits > main.free) {
      const record = this.#liveAtTail(main, now);
      if (record < 0) continue;
      const size = segment.unitsAt(record);
      const slot = slotOf(segment.words[record + META] as number);
      const frequency = segment.frequencyByte(slot);
      const hits = bytes[frequency] as number;
      const roomy = main.live + units <= this.#roomyUnits;
      if (this.#moves > 0 && (hits > 0 || roomy) && main.span(size) <= main.free) {
        this.#moves -= 1;
        if (hits > 0) {
          this.#prove(slot);
          bytes[frequency] = segment.recency.choose() ? 0 : hits - 1;
        }
        this.#move(record, slot, size, main);
      } else {
        this.#evictFromMain(slot);
      }
      main.drop(size);
    }
  }

  /** The record at the tail if it is live; else what is there is dropped, and the answer is -1. */
  #liveAtTail(ring: Ring, now: number): number {
    const segment = this.#segment;
    const place = ring.tailPlace;
    const record = segment.recordWord(place);
    const valueBytes = segment.words[record + VALUE_BYTES] as number;
    if (valueBytes < 0 && -valueBytes <= ring.used) {
      ring.drop(-valueBytes);
      return -1;
    }
    const slot = slotOf(segment.words[record + META] as number);
    const units = segment.unitsAt(record);
    if (units > ring.used || ring.tail + units > ring.end || slot >>> 3 >= segment.buckets) {
      throw new SegmentCorruptError(`no record at the tail, at unit ${ring.tail}`);
    }
    if (segment.place(slot) === place) {
      if (segment.expiresAt(record) > now) return record;
      segment.vacate(slot);
      segment.count(SEGMENT.expirations);
    }
    ring.drop(units);
    return -1;
  }

  /** A record of the main ring was hit. If it is the first time, then it was right to let it in. */
  #prove(slot: number): void {
    const segment = this.#segment;
    if (segment.mark(slot) === MARK.proven) return;
    segment.setMark(slot, MARK.proven);
    segment.returns.count(true);
    segment.returns.learn(true);
  }

  #evictFromSmall(slot: number): void {
    this.#segment.recency.count(true);
    this.#evict(slot, GHOST.small);
  }

  #evictFromMain(slot: number): void {
    const segment = this.#segment;
    const mark = segment.mark(slot);
    if (mark !== MARK.unproven) segment.recency.count(false);
    if (mark !== MARK.proven) segment.returns.count(true);
    segment.returns.count(false);
    this.#evict(slot, mark === MARK.unproven ? GHOST.unproven : GHOST.proven);
  }

  /** @param kind one of GHOST */
  #evict(slot: number, kind: number): void {
    const segment = this.#segment;
    const { words } = segment;
    segment.ghosts.add(words[segment.tagWord(slot)] as number, kind, words[SEGMENT.entries] as number);
    segment.vacate(slot);
    segment.count(SEGMENT.evictions);
  }

  /** A key came back soon after it was evicted. */
  #regret(kind: number): void {
    const { recency, returns } = this.#segment;
    if (kind !== GHOST.unproven) recency.learn(kind === GHOST.small);
    if (kind !== GHOST.small) returns.learn(false);
  }

  /** To the head of the main ring. Readers find the old copy intact until the new one is published. */
  #move(record: number, slot: number, units: number, from: Ring): void {
    const segment = this.#segment;
    const { words, main } = segment;
    const oldPlace = from.tailPlace;
    const place = main.append(units);
    const to = segment.recordWord(place);
    this.#copy(record, to, units * (UNIT_BYTES / 4));
    words[to + SEAL] =
      (words[record + SEAL] as number) ^
      sealOfPlace(oldPlace, segment.epoch) ^
      sealOfPlace(place, segment.epoch);
    failpoint('moved');
    segment.relocate(slot, place, units);
  }

  #copy(from: number, to: number, count: number): void {
    const { words } = this.#segment;
    if (count > LOOP_WORDS) words.copyWithin(to, from, from + count);
    else for (let i = 0; i < count; i += 1) words[to + i] = words[from + i] as number;
  }
}
