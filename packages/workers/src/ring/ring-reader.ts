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

  constructor(memory: SharedArrayBuffer) {
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

  /** Gives the space of everything read back to the producer. */
  release(): void {
    Atomics.store(this.#words, TAIL, this.#at);
  }

  /** Publishes how many operations were taken so far (counted mod 2^32), `units` more of memory with them. */
  publishTaken(position: number, units: number): void {
    const words = this.#words;
    words[TAKEN_UNITS] = ((words[TAKEN_UNITS] as number) + units) | 0;
    Atomics.store(words, TAKEN, position | 0);
  }

  /** Publishes up to which operation all that are logged are on disk (counted mod 2^32). */
  publishSynced(position: number): void {
    Atomics.store(this.#words, SYNCED, position | 0);
  }

  /**
   * Says that the operations `from` to `to` were not logged. To be called before they are published as
   * taken, and only if the producer has seen the last such range.
   */
  refuse(from: number, to: number, errno: number): void {
    Atomics.store(this.#words, REFUSED_FROM, from | 0);
    Atomics.store(this.#words, REFUSED_ERRNO, errno);
    Atomics.store(this.#words, REFUSED_TO, to | 0);
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
