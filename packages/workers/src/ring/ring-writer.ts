import { DATA_BYTES_AT, DATA_WORDS_AT, HEAD, maxRecordBytes, TAIL, WRAP } from './ring-layout.js';

/** Up to here a loop over words is faster than a call of `TypedArray.set`. */
const LOOP_WORDS = 64;

/** The producer's end of a ring. One per ring, on one thread. */
export class RingWriter {
  readonly maxRecordBytes: number;
  readonly #words: Int32Array;
  readonly #capacity: number;
  #head: number;
  /** Last seen; the true one is at this place or further. */
  #tail: number;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#capacity = memory.byteLength - DATA_BYTES_AT;
    this.maxRecordBytes = maxRecordBytes(this.#capacity);
    this.#head = Atomics.load(this.#words, HEAD);
    this.#tail = Atomics.load(this.#words, TAIL);
  }

  /** Whether nothing is in the ring. */
  isEmpty(): boolean {
    return this.#head === Atomics.load(this.#words, TAIL);
  }

  /** Whether `bytes` of records, written now one after the other, all fit. */
  hasRoom(bytes: number): boolean {
    // A wrap may cost up to one record's length besides.
    const needed = bytes + this.maxRecordBytes;
    return this.#free(needed) >= needed;
  }

  /**
   * Writes one record: `record[0]` is its length in bytes, at most `maxRecordBytes`. False: no room,
   * nothing written.
   */
  tryWrite(record: Int32Array): boolean {
    const length = (((record[0] as number) + 3) >> 2) << 2;
    let head = this.#head;
    const offset = head & (this.#capacity - 1);
    const toEnd = this.#capacity - offset;
    const skipped = toEnd < length ? toEnd : 0;
    const needed = skipped + length;
    if (this.#free(needed) < needed) return false;

    const words = this.#words;
    let at = DATA_WORDS_AT + (offset >> 2);
    if (skipped > 0) {
      words[at] = WRAP;
      at = DATA_WORDS_AT;
      head = (head + skipped) | 0;
    }
    const count = length >> 2;
    if (count <= LOOP_WORDS) {
      for (let i = 0; i < count; i++) words[at + i] = record[i] as number;
    } else {
      words.set(record.subarray(0, count), at);
    }
    this.#head = (head + length) | 0;
    Atomics.store(words, HEAD, this.#head);
    return true;
  }

  #free(needed: number): number {
    const free = this.#capacity - ((this.#head - this.#tail) | 0);
    if (free >= needed) return free;
    this.#tail = Atomics.load(this.#words, TAIL);
    return this.#capacity - ((this.#head - this.#tail) | 0);
  }
}
