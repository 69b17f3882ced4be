import { checksum } from './checksum.js';
import { Eviction } from './eviction.js';
import { failpoint } from './failpoint.js';
import type { KeyProbe } from './key-probe.js';
import { BUCKET_SLOTS, SEGMENT } from './layout.js';
import {
  EXPIRES,
  HEADER_WORDS,
  META,
  metaOf,
  recordUnits,
  SEAL,
  sealOfContent,
  sealOfPlace,
  VALUE_BYTES,
  wordsOf,
  writeTime,
} from './record.js';
import type { Segment } from './segment.js';

/** Shorter values are copied by a loop, which costs less than a call of `set`. */
const LOOP_BYTES = 48;

/** So many in one write, then its error is thrown. */
const MAX_REPAIRS = 2;

const NO_VALUE = new Uint8Array(0);

/** What is done under the lock. */
type Step = (
  this: WritePath,
  key: KeyProbe,
  value: Uint8Array,
  expiresAt: number,
  now: number,
  token: number,
) => boolean;

/**
 * The writing side of one segment in one thread. Each call does its work under the segment's lock, and
 * does it again if the lock was taken away meanwhile (see SegmentLock), unless readers may have seen its value
 * by then: that was there, and is gone since the segment was emptied. Done again, it would come back
 * after newer ones that others have set in between.
 */
export class WritePath {
  readonly #segment: Segment;
  readonly #eviction: Eviction;
  readonly #maxValueBytes: number;
  /** Of the write at work: readers may have seen its value. */
  #seen = false;

  constructor(segment: Segment, maxValueBytes: number) {
    this.#segment = segment;
    this.#eviction = new Eviction(segment);
    this.#maxValueBytes = maxValueBytes;
  }

  /** False: refused, because the value is too large. */
  set(key: KeyProbe, value: Uint8Array, expiresAt: number, now: number): boolean {
    return this.#perform(this.#set, key, value, expiresAt, now, 0);
  }

  /** False: not stored, because the token is old or the value too large. */
  fill(key: KeyProbe, value: Uint8Array, token: number, expiresAt: number, now: number): boolean {
    return this.#perform(this.#fill, key, value, expiresAt, now, token);
  }

  /** True if there was an entry that had not expired. */
  delete(key: KeyProbe, now: number): boolean {
    return this.#perform(this.#delete, key, NO_VALUE, 0, now, 0);
  }

  /** Empties the segment; tokens taken before are void, as they hold its epoch. */
  clear(): void {
    do {
      this.#segment.acquire();
      this.#segment.reset();
    } while (!this.#release());
  }

  /** True if that thread had the lock; the segment is empty then. */
  recover(threadId: number): boolean {
    if (!this.#segment.seize(threadId)) return false;
    this.#release();
    return true;
  }

  /** Runs `look` under the lock; it must not change anything, nor call the cache. */
  inspect<T>(look: () => T): T {
    for (;;) {
      this.#segment.acquire();
      let seen: T;
      try {
        seen = look();
      } catch (error) {
        this.#release();
        throw error;
      }
      if (this.#release()) return seen;
    }
  }

  #perform(
    step: Step,
    key: KeyProbe,
    value: Uint8Array,
    expiresAt: number,
    now: number,
    token: number,
  ): boolean {
    const segment = this.#segment;
    for (let failures = 0; ; ) {
      segment.acquire();
      failpoint('locked');
      this.#seen = false;
      let done: boolean | undefined;
      try {
        done = step.call(this, key, value, expiresAt, now, token);
      } catch (error) {
        // Whoever loses the lock to another runs into anything, and so may its successor, over whose
        // bookkeeping it wrote: the first error says nothing yet.
        if (segment.lock.isHeld) {
          segment.repair();
          failures += 1;
          if (failures > MAX_REPAIRS) {
            this.#release();
            throw error;
          }
        }
      }
      if ((this.#release() || this.#seen) && done !== undefined) return done;
    }
  }

  #set(key: KeyProbe, value: Uint8Array, expiresAt: number, now: number): boolean {
    const segment = this.#segment;
    const fits = this.#fits(value);
    if (fits) {
      this.#store(key, value, expiresAt, now);
    } else {
      const slot = segment.find(key);
      if (slot >= 0) segment.vacate(slot);
    }
    segment.raiseGeneration(key.h2);
    failpoint('raised');
    return fits;
  }

  #fill(key: KeyProbe, value: Uint8Array, expiresAt: number, now: number, token: number): boolean {
    if (this.#segment.token(key.h2) !== token || !this.#fits(value)) return false;
    this.#store(key, value, expiresAt, now);
    return true;
  }

  #delete(key: KeyProbe, _value: Uint8Array, _expiresAt: number, now: number): boolean {
    const segment = this.#segment;
    const slot = segment.find(key);
    let deleted = false;
    if (slot >= 0) {
      deleted = segment.expiresAt(segment.recordWord(segment.place(slot))) > now;
      segment.vacate(slot);
      if (!deleted) segment.count(SEGMENT.expirations);
      failpoint('published');
    }
    segment.raiseGeneration(key.h2);
    failpoint('raised');
    return deleted;
  }

  #fits(value: Uint8Array): boolean {
    if (value.length <= this.#maxValueBytes) return true;
    this.#segment.count(SEGMENT.refused);
    return false;
  }

  #store(key: KeyProbe, value: Uint8Array, expiresAt: number, now: number): void {
    const segment = this.#segment;
    segment.count(SEGMENT.sets);
    const { words } = segment;
    const { byteLength } = key;
    const valueBytes = value.length;
    const units = recordUnits(byteLength, valueBytes);

    let slot = segment.find(key);
    let ring = segment.small;
    if (slot >= 0) {
      ring = segment.ringOf(segment.place(slot));
      segment.touch(segment.tagWord(slot) + BUCKET_SLOTS);
    } else {
      slot = this.#eviction.slotFor(key.h1, key.h2);
      ring = this.#eviction.ringForNew(slot, key.h1);
    }
    const place = this.#eviction.allocate(ring, units, now);

    const record = segment.recordWord(place);
    const meta = metaOf(slot, byteLength);
    const keyWords = wordsOf(byteLength);
    const keyAt = record + HEADER_WORDS;
    for (let i = 0; i < keyWords; i += 1) words[keyAt + i] = key.words[i] as number;
    const valueAt = keyAt + keyWords;
    const valueSum = this.#writeValue(value, valueBytes, valueAt);
    failpoint('copied');
    words[record + META] = meta;
    words[record + VALUE_BYTES] = valueBytes;
    writeTime(words, record + EXPIRES, expiresAt);
    const low = words[record + EXPIRES] as number;
    const high = words[record + EXPIRES + 1] as number;
    words[record + SEAL] =
      sealOfContent(key.h1, key.h2, meta, valueBytes, valueSum, low, high) ^
      sealOfPlace(place, segment.epoch);
    failpoint('written');
    // Lost: under an epoch that is over nobody would see it.
    if (!segment.lock.isHeld) return;
    this.#seen = true;
    segment.publish(slot, key.h1, place, units);
    failpoint('published');
  }

  /** Returns the checksum of what it wrote, not of the value: a value in shared memory may be changing. */
  #writeValue(value: Uint8Array, byteLength: number, at: number): number {
    const { words, bytes } = this.#segment;
    const count = wordsOf(byteLength);
    if (count > 0) words[at + count - 1] = 0;
    const from = at * 4;
    if (byteLength <= LOOP_BYTES) {
      for (let i = 0; i < byteLength; i += 1) bytes[from + i] = value[i] as number;
    } else {
      bytes.set(value, from);
    }
    return checksum(words, at, count);
  }

  #release(): boolean {
    const segment = this.#segment;
    if (segment.lock.release()) return true;
    // The lock was taken away while this thread was at work; the new owner has emptied the segment, but
    // what this thread wrote since may have damaged it. Empty it again.
    do {
      segment.acquire();
      segment.repair();
    } while (!segment.lock.release());
    return false;
  }
}
