import { Balance } from './balance.js';
import { failpoint } from './failpoint.js';
import { Ghosts } from './ghosts.js';
import type { KeyProbe } from './key-probe.js';
import {
  BUCKET_BYTES,
  BUCKET_SLOTS,
  type Layout,
  largestRecordUnits,
  SEGMENT,
  SEGMENT_HEADER_BYTES,
} from './layout.js';
import {
  EXPIRES,
  HEADER_WORDS,
  keyBytesOf,
  META,
  recordUnits,
  timeOf,
  VALUE_BYTES,
  wordsOf,
} from './record.js';
import { Ring } from './ring.js';
import { SegmentLock } from './segment-lock.js';

export const MAX_FREQUENCY = 3;
const BUCKET_WORDS = BUCKET_BYTES / 4;

/** What eviction knows of an entry. */
export const MARK = Object.freeze({
  /** Not known to have been hit. */
  unproven: 0,
  /** Was evicted before and came back; not known to have been hit since. */
  returned: 1,
  /** Was hit. */
  proven: 2,
});

/** The bookkeeping of a segment contradicts itself: a writer that had lost its lock wrote on. */
export class SegmentCorruptError extends Error {
  override name = 'SegmentCorruptError';
}

/**
 * One segment, as one thread sees it: its memory, its index, its rings, its lock.
 *
 * The index is made of buckets of one cache line with seven slots: 7 words of tags (h1 of the key), 7 words
 * of places in the log (0: free), 7 bytes of frequencies (hits since the entry came or was last spared,
 * at most 3). A key may be in either of two buckets, and stays in its slot until it is
 * removed; so a reader that finds neither has seen a moment at which the key was absent. Slots are
 * numbered bucket × 8 + 0…6.
 */
export class Segment {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly floats: Float64Array;
  readonly lock: SegmentLock;
  readonly small: Ring;
  readonly main: Ring;
  readonly ghosts: Ghosts;
  /** First way: the evicting of CLOCK; second way: that of S3-FIFO. */
  readonly recency: Balance;
  /** First way: an evicted key that comes back goes to the main ring at once. */
  readonly returns: Balance;
  readonly #marks: Uint16Array;
  readonly buckets: number;
  readonly placeMask: number;
  readonly slackUnits: number;
  readonly largestRecordUnits: number;
  readonly #cellsAt: number;
  readonly #cellMask: number;
  /** The epoch under which the owner of the lock writes. */
  epoch = 0;

  constructor(buffer: SharedArrayBuffer, at: number, layout: Layout) {
    const { segmentBytes, segmentUnits, buckets } = layout;
    this.words = new Int32Array(buffer, at, segmentBytes / 4);
    this.bytes = new Uint8Array(buffer, at, segmentBytes);
    this.floats = new Float64Array(buffer, at, segmentBytes / 8);
    this.lock = new SegmentLock(this.words);
    this.buckets = buckets;
    const placeBits = 32 - Math.clz32(segmentUnits - 1);
    this.placeMask = 2 ** placeBits - 1;
    this.slackUnits = layout.slackUnits;
    this.largestRecordUnits = largestRecordUnits(layout);
    this.small = new Ring(
      this.words,
      SEGMENT.smallRing,
      SEGMENT.laps,
      layout.smallStart,
      layout.mainStart,
      placeBits,
    );
    this.main = new Ring(
      this.words,
      SEGMENT.mainRing,
      SEGMENT.laps,
      layout.mainStart,
      segmentUnits,
      placeBits,
    );
    this.ghosts = new Ghosts(buffer, at, layout, this.words);
    this.recency = new Balance(this.words, SEGMENT.recency);
    this.returns = new Balance(this.words, SEGMENT.returns);
    this.#marks = new Uint16Array(buffer, at + layout.marksAt, buckets);
    this.#cellsAt = (SEGMENT_HEADER_BYTES + buckets * BUCKET_BYTES) / 4;
    this.#cellMask = layout.cells - 1;
  }

  /** What readers compare with; `epoch` is the lock owner's. */
  get epochNow(): number {
    return Atomics.load(this.words, SEGMENT.epoch);
  }

  /** Laps that the rings have begun, modulo 2^32. */
  get lapsNow(): number {
    return Atomics.load(this.words, SEGMENT.laps);
  }

  /** A thread that had lost the lock may have written to the rings since. */
  get wasTakenOver(): boolean {
    return this.words[SEGMENT.takeovers] !== 0;
  }

  /** Changes whenever a slot may have; odd while one may be about to. */
  get changesNow(): number {
    return Atomics.load(this.words, SEGMENT.changes);
  }

  /** First word of a bucket. */
  bucket1(h2: number): number {
    return this.#bucketWord((h2 >>> 0) * this.buckets);
  }

  bucket2(h1: number, h2: number): number {
    return this.#bucketWord((Math.imul(h1 ^ (h2 >>> 7), 0x9e3779b1) >>> 0) * this.buckets);
  }

  #bucketWord(scaled: number): number {
    return SEGMENT_HEADER_BYTES / 4 + Math.floor(scaled / 2 ** 32) * BUCKET_WORDS;
  }

  tagWord(slot: number): number {
    return SEGMENT_HEADER_BYTES / 4 + (slot >>> 3) * BUCKET_WORDS + (slot & 7);
  }

  place(slot: number): number {
    return this.words[this.tagWord(slot) + BUCKET_SLOTS] as number;
  }

  frequencyByte(slot: number): number {
    return SEGMENT_HEADER_BYTES + (slot >>> 3) * BUCKET_BYTES + 8 * BUCKET_SLOTS + (slot & 7);
  }

  /** What eviction knows of the entry: one of MARK. */
  mark(slot: number): number {
    return ((this.#marks[slot >>> 3] as number) >>> ((slot & 7) * 2)) & 3;
  }

  setMark(slot: number, mark: number): void {
    const shift = (slot & 7) * 2;
    this.#marks[slot >>> 3] = ((this.#marks[slot >>> 3] as number) & ~(3 << shift)) | (mark << shift);
  }

  /**
   * Counts a hit and returns the frequency. At its maximum nothing is written: processors share the lines of a
   * hot key.
   * @param placeWord the word of the slot's place
   */
  touch(placeWord: number): number {
    const at =
      (placeWord & -BUCKET_WORDS) * 4 + 8 * BUCKET_SLOTS + (placeWord & (BUCKET_WORDS - 1)) - BUCKET_SLOTS;
    const hits = this.bytes[at] as number;
    if (hits === MAX_FREQUENCY) return hits;
    this.bytes[at] = hits + 1;
    return hits + 1;
  }

  /** First word of a record. */
  recordWord(place: number): number {
    return (place & this.placeMask) * 2;
  }

  ringOf(place: number): Ring {
    return (place & this.placeMask) < this.main.start ? this.small : this.main;
  }

  unitsAt(record: number): number {
    return recordUnits(
      keyBytesOf(this.words[record + META] as number),
      this.words[record + VALUE_BYTES] as number,
    );
  }

  expiresAt(record: number): number {
    return timeOf(this.words[record + EXPIRES] as number, this.words[record + EXPIRES + 1] as number);
  }

  /** For the owner of the lock: the slot of the key, expired or not; -1 when absent. */
  find(key: KeyProbe): number {
    const first = this.#findIn(this.bucket1(key.h2), key);
    return first >= 0 ? first : this.#findIn(this.bucket2(key.h1, key.h2), key);
  }

  #findIn(bucket: number, key: KeyProbe): number {
    const words = this.words;
    for (let i = 0; i < BUCKET_SLOTS; i += 1) {
      if (words[bucket + i] !== key.h1) continue;
      const place = words[bucket + BUCKET_SLOTS + i] as number;
      if (place !== 0 && this.hasKey(this.recordWord(place), key)) return this.slotAt(bucket, i);
    }
    return -1;
  }

  slotAt(bucket: number, i: number): number {
    return ((bucket - SEGMENT_HEADER_BYTES / 4) / BUCKET_WORDS) * 8 + i;
  }

  /** Compares the key in full. */
  hasKey(record: number, key: KeyProbe): boolean {
    const words = this.words;
    if (keyBytesOf(words[record + META] as number) !== key.byteLength) return false;
    const at = record + HEADER_WORDS;
    const count = wordsOf(key.byteLength);
    for (let i = 0; i < count; i += 1) if (words[at + i] !== key.words[i]) return false;
    return true;
  }

  /**
   * Makes the record at `place` what the slot stands for. From this store on readers see it; it is a release, so
   * they have seen before that something changes (see SegmentLock), and what was written to the record.
   */
  publish(slot: number, tag: number, place: number, units: number): void {
    const { words } = this;
    const old = this.place(slot);
    const tagWord = this.tagWord(slot);
    words[tagWord] = tag;
    Atomics.store(words, tagWord + BUCKET_SLOTS, place);
    failpoint('placed');
    if (old !== 0) this.#retire(old);
    else words[SEGMENT.entries] = (words[SEGMENT.entries] as number) + 1;
    this.ringOf(place).addLive(units);
  }

  /**
   * Lets the slot stand for a copy of its record. A plain store: whichever place a reader finds, it gives the same
   * value or fails the seal. An atomic one would wait until the copy has left the processor's store buffer; with
   * those that were dropped here, in `evict`, `acquire` and SegmentLock a set takes a twentieth less.
   */
  relocate(slot: number, place: number, units: number): void {
    const old = this.place(slot);
    this.words[this.tagWord(slot) + BUCKET_SLOTS] = place;
    failpoint('placed');
    this.#retire(old);
    this.ringOf(place).addLive(units);
  }

  /** Frees a slot because its key is deleted: a release, as in `publish`. From the store on readers miss the key. */
  vacate(slot: number): void {
    const place = this.place(slot);
    Atomics.store(this.words, this.tagWord(slot) + BUCKET_SLOTS, 0);
    this.#forget(slot, place);
  }

  /** Frees a slot whose entry gives way, by a plain store: what readers still find was the key's value. */
  evict(slot: number): void {
    const place = this.place(slot);
    this.words[this.tagWord(slot) + BUCKET_SLOTS] = 0;
    this.#forget(slot, place);
  }

  #forget(slot: number, place: number): void {
    const { words } = this;
    failpoint('vacated');
    this.bytes[this.frequencyByte(slot)] = 0;
    this.setMark(slot, MARK.unproven);
    words[SEGMENT.entries] = (words[SEGMENT.entries] as number) - 1;
    this.#retire(place);
  }

  #retire(place: number): void {
    this.ringOf(place).addLive(-this.unitsAt(this.recordWord(place)));
  }

  /** Adds to one of the float64 counters of the header. */
  count(counter: number): void {
    this.floats[counter / 2] = (this.floats[counter / 2] as number) + 1;
  }

  /**
   * Epoch and generation cell of a key's hash in one number (21 and 32 bits): it changes with each write to
   * the key, or to one that shares the cell, and whenever the segment is emptied. It comes back to the
   * same value after 2^32 writes to the cell, or 2^21 emptyings, within one load.
   */
  token(h2: number): number {
    const epoch = Atomics.load(this.words, SEGMENT.epoch) & 0x1fffff;
    return epoch * 2 ** 32 + (Atomics.load(this.words, this.#cellsAt + (h2 & this.#cellMask)) >>> 0);
  }

  /**
   * To be called after a write to the key was published, and before the lock is released. Before it was
   * published, a token could be taken that stays good although its load may give the value of before. A fill
   * that comes too early waits for the lock; if the owner ends in between, the epoch makes its token void.
   */
  raiseGeneration(h2: number): void {
    Atomics.add(this.words, this.#cellsAt + (h2 & this.#cellMask), 1);
  }

  /** Takes the lock, and repairs the segment if its last owner left it in the middle of something. */
  acquire(): void {
    this.lock.acquire();
    // Plain: the owner before raised it before it let go of the lock.
    this.epoch = this.words[SEGMENT.epoch] as number;
    if (this.lock.seized) this.#takeOver();
  }

  /** Takes the lock from that thread, if it has it, and empties the segment. */
  seize(ownerThreadId: number): boolean {
    if (!this.lock.seize(ownerThreadId)) return false;
    this.#takeOver();
    return true;
  }

  #takeOver(): void {
    failpoint('seized');
    this.words[SEGMENT.takeovers] = (this.words[SEGMENT.takeovers] as number) + 1;
    this.repair();
  }

  /** For the owner of the lock: empties the segment because its bookkeeping cannot be trusted. */
  repair(): void {
    this.words[SEGMENT.repairs] = (this.words[SEGMENT.repairs] as number) + 1;
    this.reset();
  }

  /**
   * For the owner of the lock: empties the segment. The epoch comes first: from then on no reader accepts
   * a record of before, whatever is still in the index; so the rest may be done piece by piece, and done
   * again by the next owner if this thread ends in between.
   */
  reset(): void {
    this.epoch = (Atomics.add(this.words, SEGMENT.epoch, 1) + 1) | 0;
    failpoint('reset');
    const index = SEGMENT_HEADER_BYTES / 4;
    this.words.fill(0, index, index + this.buckets * BUCKET_WORDS);
    failpoint('emptied');
    this.small.clear();
    this.main.clear();
    this.ghosts.clear();
    // Until mistakes are seen, what costs least: no record is moved without a hit.
    this.recency.reset(0);
    this.returns.reset(1);
    this.#marks.fill(0);
    this.words[SEGMENT.entries] = 0;
  }
}
