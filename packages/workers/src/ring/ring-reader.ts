import { Tally } from '../shard/board.js';
import {
  APPLIED,
  DATA_BYTES_AT,
  DATA_WORDS_AT,
  HEAD,
  REFUSAL_SEEN,
  REFUSED_ERRNO,
  REFUSED_FROM,
  REFUSED_TO,
  SYNCED,
  TAIL,
  TAKEN,
  TAKEN_UNITS,
  WRAP,
} from './ring-layout.js';

/** The shard's end of a ring. One per ring, on one thread. */
export class RingReader {
  /** The ring's memory; records lie in it where `next` says. */
  readonly bytes: Buffer;
  readonly #words: Int32Array;
  readonly #capacity: number;
  /** Read up to here, not yet released. */
  #at: number;
  readonly #tally: Int32Array;

  /** @param tally counts what is taken from all rings of the shard: see `Board` */
  constructor(memory: SharedArrayBuffer, tally: Int32Array) {
    this.#tally = tally;
    this.#words = new Int32Array(memory);
    this.bytes = Buffer.from(memory);
    this.#capacity = memory.byteLength - DATA_BYTES_AT;
    this.#at = Atomics.load(this.#words, TAIL);
  }

  /** Behind the record that was read last, bytes mod 2^32. */
  get position(): number {
    return this.#at;
  }

  /** Whether the ring still holds what ends at `position`. */
  isUnread(position: number): boolean {
    const unread = (Atomics.load(this.#words, HEAD) - this.#at) >>> 0;
    return (position - this.#at) >>> 0 <= unread;
  }

  /** Operations taken so far, mod 2^32, by whoever read the ring before. */
  get taken(): number {
    return Atomics.load(this.#words, TAKEN);
  }

  hasRecords(): boolean {
    return Atomics.load(this.#words, HEAD) !== this.#at;
  }

  /**
   * Calls `visit` for the records that are there, until about `maxBytes` are read. What it is given
   * is valid until `release`. Returns the bytes read.
   */
  read(maxBytes: number, visit: (bytes: Buffer, start: number, end: number) => void): number {
    const head = Atomics.load(this.#words, HEAD);
    const from = this.#at;
    while (this.#at !== head && ((this.#at - from) | 0) < maxBytes) {
      let offset = this.#at & (this.#capacity - 1);
      let length = this.#words[DATA_WORDS_AT + (offset >> 2)] as number;
      if (length === WRAP) {
        this.#at = (this.#at + this.#capacity - offset) | 0;
        offset = 0;
        length = this.#words[DATA_WORDS_AT] as number;
      }
      const start = DATA_BYTES_AT + offset;
      this.#at = (this.#at + (((length + 3) >> 2) << 2)) | 0;
      visit(this.bytes, start, start + length);
    }
    return (this.#at - from) | 0;
  }

  /**
   * Gives the space of everything read back to the producer, and publishes that `count` more operations, of
   * `units` of memory, are taken; with `errno`, that they are refused: they were not logged. That is only
   * allowed if the producer has seen the last such range.
   *
   * Calls nothing but Atomics, so that all of it happens also when the thread is terminated: see `Board`.
   */
  acknowledge(count: number, units: number, errno?: number): void {
    const words = this.#words;
    const tally = this.#tally;
    const taken = ((words[TAKEN] as number) + count) | 0;
    if (errno !== undefined) {
      words[REFUSED_FROM] = ((words[TAKEN] as number) + 1) | 0;
      words[REFUSED_ERRNO] = errno;
      words[REFUSED_TO] = taken;
    }
    words[TAKEN_UNITS] = ((words[TAKEN_UNITS] as number) + units) | 0;
    tally[Tally.taken] = ((tally[Tally.taken] as number) + count) | 0;
    tally[Tally.takenUnits] = ((tally[Tally.takenUnits] as number) + units) | 0;
    Atomics.store(words, TAIL, this.#at);
    Atomics.store(words, TAKEN, taken);
  }

  /** Publishes up to which operation all that are logged are on disk (counted mod 2^32). */
  publishSynced(position: number): void {
    Atomics.store(this.#words, SYNCED, position | 0);
  }

  /** Whether the producer has taken notice of the last refusal. */
  get isRefusalSeen(): boolean {
    return Atomics.load(this.#words, REFUSAL_SEEN) === Atomics.load(this.#words, REFUSED_TO);
  }

  /** Publishes how many operations are committed so far (counted mod 2^32). */
  publishApplied(position: number): void {
    Atomics.store(this.#words, APPLIED, position | 0);
  }
}
