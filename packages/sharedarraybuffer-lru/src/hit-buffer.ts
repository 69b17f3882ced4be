import { HEADER } from './layout.js';

/**
 * The reads of one thread that the shared statistics do not know yet: they are told every `items` reads.
 * Each one told at once would move lines of theirs from processor to processor.
 */
export class HitBuffer {
  readonly #header: Int32Array;
  readonly #items: number;
  #hits = 0;
  #misses = 0;
  #flushed = 0;

  constructor(header: Int32Array, items: number) {
    this.#header = header;
    this.#items = items;
  }

  /** Of this thread, ever. */
  get hits(): number {
    return this.#flushed + this.#hits;
  }

  hit(): void {
    this.#hits += 1;
    if (this.#hits >= this.#items) this.flush();
  }

  miss(): void {
    this.#misses += 1;
    if (this.#misses >= this.#items) this.flush();
  }

  flush(): void {
    addLong(this.#header, HEADER.hits, this.#hits);
    addLong(this.#header, HEADER.misses, this.#misses);
    this.#flushed += this.#hits;
    this.#hits = 0;
    this.#misses = 0;
  }
}

/** Adds to a counter of two words, low word first. */
function addLong(words: Int32Array, at: number, amount: number): void {
  if (amount === 0) return;
  const low = Atomics.add(words, at, amount) >>> 0;
  if (low + amount >= 2 ** 32) Atomics.add(words, at + 1, 1);
}

/** May be off by 2^32 for an instant, while another thread carries. */
export function readLong(words: Int32Array, at: number): number {
  return Atomics.load(words, at + 1) * 2 ** 32 + (Atomics.load(words, at) >>> 0);
}
