import { bufferSlice } from './buffer-slice.js';
import { checksum, copyWithChecksum } from './checksum.js';
import { CoarseClock } from './coarse-clock.js';
import type { HitBuffer } from './hit-buffer.js';
import type { KeyProbe } from './key-probe.js';
import { BUCKET_SLOTS, SEGMENT } from './layout.js';
import { NEAR_VALUE_BYTES, type NearRecord, NearTable } from './near-table.js';
import {
  EXPIRES,
  HEADER_WORDS,
  keyBytesOf,
  META,
  recordUnits,
  SEAL,
  sealOfContent,
  sealOfPlace,
  timeOf,
  VALUE_BYTES,
  wordsOf,
} from './record.js';
import { MAX_FREQUENCY, type Segment } from './segment.js';

/*
 * Why a reader without a lock never returns a wrong value
 * =======================================================
 *
 * This is a seqlock in which the place of a record is the version, and in which a seal over what was read
 * takes the part of the second look at the version.
 *
 * A writer fills a record in a part of the log that no slot points at, then publishes its place with
 * Atomics.store on the slot. From then on the record does not change. It is given up in the same
 * order: first the slot is changed by Atomics.store, and only a later write to the log reuses the bytes.
 *
 * A reader
 *   1. loads the place from the slot (Atomics.load),
 *   2. loads the epoch of the segment (Atomics.load, so after 1),
 *   3. reads header, key and value with plain loads, the value into memory of its own,
 *   4. accepts them if the key is equal, byte for byte, and the seal agrees with the header it read, its *copy*
 *      of the value, the place of 1, the epoch of 2 and the hash of its key. Else it begins again, at most
 *      MAX_TRIES times, and then it is a miss.
 *
 * What was accepted is the record that was published at that place, and the slot pointed at it at 1: the
 * value was current at 1, during the call. Deletes, overwrites, evictions change the slot, `clear` and
 * repair the epoch: a reader that begins after one of them sees it at 1 or 2.
 *
 * x86: loads are not reordered with loads, nor stores with stores, so after 1 the record is seen whole, and
 * bytes that were reused can only be seen if the slot was changed after 1. They fail the seal, which
 * holds the place.
 * ARM: Atomics.store is a release and Atomics.load an acquire, so that what was written before publication
 * is seen after 1. The usual seqlock breaks at its end: the plain loads of 3 may be done after a second
 * look at the version, as nothing orders a load before a later acquire, and JavaScript has no fence. There
 * is no second look here. However late the loads of 3 are done, and in whatever order, they give
 * words of this record or words of later ones, and 4 decides on the words themselves.
 * Compilers: an engine may move plain loads as a processor may; the same argument holds.
 *
 * Chance: a mixture of records passes with a probability of 2^-32, and only if a whole ring was written during
 * steps 1 to 3. The key is compared in full besides.
 *
 * Tags are read with plain loads. A tag that is too old makes a miss of a key whose set has not returned
 * yet, or leads to a record that fails 4.
 */

const MAX_TRIES = 32;

/** Up to here one loop over the words copies and checks; beyond, the copy is done by `set`. */
const LOOP_BYTES = 1024;
const POOL_BYTES = 64 * 1024;
const EMPTY = new ArrayBuffer(0);

/** The reading side of one cache in one thread. */
export class ReadPath {
  readonly #segments: readonly Segment[];
  readonly #clock: CoarseClock;
  readonly #now: () => number;
  readonly #hits: HitBuffer;
  /** Copies of small values are cut from a pool, as Buffer.allocUnsafe does. */
  #pool = Buffer.allocUnsafeSlow(POOL_BYTES).buffer as ArrayBuffer;
  #poolWords = new Int32Array(this.#pool);
  #poolAt = 0;
  /** To be asked before `get`. */
  readonly near: NearTable;
  /** Of the last record accepted. */
  #slot = 0;
  #place = 0;
  #epoch = 0;
  #seal = 0;
  #laps = 0;
  #expiresAt = 0;
  #value: Buffer | undefined;
  /** Its first word in the pool, when it lies there. */
  #valueWord = 0;

  /** @param clock @default Date.now */
  constructor(
    segments: readonly Segment[],
    clock: (() => number) | undefined,
    hits: HitBuffer,
    nearBytes: number,
  ) {
    this.#segments = segments;
    this.#clock = new CoarseClock(clock);
    this.#now = clock ?? Date.now;
    this.#hits = hits;
    this.near = new NearTable(segments, this.#clock, hits, nearBytes);
  }

  /** A copy of the value; undefined when absent or expired. */
  get(segmentNumber: number, key: KeyProbe, name: string): Buffer | undefined {
    const segment = this.#segments[segmentNumber] as Segment;
    if (!this.#search(segment, key, true) || this.#clock.isOver(this.#expiresAt)) {
      this.#hits.miss();
      return undefined;
    }
    this.#hits.hit();
    this.near.hitElsewhere();
    const placeWord = segment.tagWord(this.#slot) + BUCKET_SLOTS;
    const isHot = segment.touch(placeWord) === MAX_FREQUENCY;
    const value = this.#value as Buffer;
    if (isHot && value.length <= NEAR_VALUE_BYTES) this.#bringNear(segmentNumber, placeWord, name, value);
    return value;
  }

  #bringNear(segmentNumber: number, placeWord: number, name: string, value: Buffer): void {
    const segment = this.#segments[segmentNumber] as Segment;
    const record: NearRecord = {
      segmentNumber,
      placeWord,
      place: this.#place,
      laps: this.#laps,
      expiresAt: this.#expiresAt,
      epoch: this.#epoch,
      sealWord: segment.recordWord(this.#place) + SEAL,
      seal: this.#seal,
    };
    // From the copy, not from the shared memory: the copy is what was checked.
    this.near.admit(name, record, this.#poolWords, this.#valueWord, value.length);
  }

  /** Milliseconds left, above zero; undefined when absent or expired. */
  remaining(segment: Segment, key: KeyProbe): number | undefined {
    if (!this.#search(segment, key, false)) return undefined;
    if (this.#expiresAt === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    const left = this.#expiresAt - this.#now();
    return left > 0 ? left : undefined;
  }

  #search(segment: Segment, key: KeyProbe, withValue: boolean): boolean {
    const { words } = segment;
    const tag = key.h1;
    const first = segment.bucket1(key.h2);
    const second = segment.bucket2(key.h1, key.h2);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      let rejected = false;
      for (let bucket = first; ; bucket = second) {
        for (let i = 0; i < BUCKET_SLOTS; i += 1) {
          if (words[bucket + i] !== tag) continue;
          const place = Atomics.load(words, bucket + BUCKET_SLOTS + i);
          if (place === 0) continue;
          if (this.#accept(segment, key, place, withValue)) {
            this.#slot = segment.slotAt(bucket, i);
            return true;
          }
          rejected = true;
        }
        if (bucket === second) break;
      }
      if (!rejected) return false;
    }
    return false;
  }

  #accept(segment: Segment, key: KeyProbe, place: number, withValue: boolean): boolean {
    const { words } = segment;
    const epoch = Atomics.load(words, SEGMENT.epoch);
    const laps = Atomics.load(words, SEGMENT.laps);
    const record = segment.recordWord(place);
    const meta = words[record + META] as number;
    const valueBytes = words[record + VALUE_BYTES] as number;
    const low = words[record + EXPIRES] as number;
    const high = words[record + EXPIRES + 1] as number;
    // Until the seal is seen to be right, these may be anything: nothing is read beyond the segment.
    if (keyBytesOf(meta) !== key.byteLength || valueBytes < 0) return false;
    if (record / 2 + recordUnits(key.byteLength, valueBytes) > words.length / 2) return false;
    if (!segment.hasKey(record, key)) return false;
    const from = record + HEADER_WORDS + wordsOf(key.byteLength);
    const sum = withValue
      ? this.#copy(segment, from, valueBytes)
      : checksum(words, from, wordsOf(valueBytes));
    const content = sealOfContent(key.h1, key.h2, meta, valueBytes, sum, low, high);
    const seal = content ^ sealOfPlace(place, epoch);
    if (seal !== words[record + SEAL]) return false;
    this.#expiresAt = timeOf(low, high);
    this.#place = place;
    this.#epoch = epoch;
    this.#laps = laps;
    this.#seal = seal;
    return true;
  }

  /** Copies a value out of the shared memory; returns the checksum of the copy. */
  #copy(segment: Segment, from: number, byteLength: number): number {
    const count = wordsOf(byteLength);
    if (byteLength > LOOP_BYTES) {
      const copy = Buffer.allocUnsafeSlow(count * 4);
      copy.set(segment.bytes.subarray(from * 4, (from + count) * 4));
      this.#value = Buffer.from(copy.buffer, 0, byteLength);
      return checksum(new Int32Array(copy.buffer), 0, count);
    }
    const at = this.#allot(count);
    const sum = copyWithChecksum(segment.words, from, this.#poolWords, at, count);
    this.#valueWord = at;
    this.#value = this.#cut(at, byteLength);
    return sum;
  }

  /** Room in the pool. It is used up whether or not the copy is good: that is as cheap as giving it back. */
  #allot(count: number): number {
    if (this.#poolAt + count > this.#poolWords.length) {
      this.#pool = Buffer.allocUnsafeSlow(POOL_BYTES).buffer as ArrayBuffer;
      this.#poolWords = new Int32Array(this.#pool);
      this.#poolAt = 0;
    }
    const at = this.#poolAt;
    this.#poolAt = at + ((count + 1) & ~1);
    return at;
  }

  #cut(at: number, byteLength: number): Buffer {
    return bufferSlice(byteLength === 0 ? EMPTY : this.#pool, byteLength === 0 ? 0 : at * 4, byteLength);
  }
}
