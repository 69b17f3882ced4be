const LOW_THREE_BITS = 0x77777777;
const BLOCK_WORDS = 16;
/** A word holds eight counters, and a use adds to up to four. */
const USES_PER_WORD = 2;

/**
 * How often keys were used lately: a count-min sketch of four rows of 4-bit counters, so that a key is
 * remembered after it was evicted. A key's four counters are in one line of 64 bytes, each row in four
 * words of it.
 *
 * Threads update it without any lock: an update that is lost makes an estimate lower by one, which may
 * cost a hit and never a value.
 *
 * Ageing: by the time that as many uses were added as there are counters, each counter has been halved
 * once; word by word, so that nobody waits for a sweep.
 */
export class FrequencySketch {
  readonly #words: Int32Array;
  readonly #blocks: number;
  readonly #cursor: Int32Array;

  /** `words` is a power of two of at least 16; `cursor` is one word that says where ageing has got to. */
  constructor(words: Int32Array, cursor: Int32Array) {
    this.#words = words;
    this.#blocks = words.length / BLOCK_WORDS;
    this.#cursor = cursor;
  }

  /** 0 to 15. */
  estimate(hash: number): number {
    const words = this.#words;
    const block = this.#block(hash);
    const spread = Math.imul(hash, 0xc2b2ae3d) >>> 8;
    let least = 15;
    for (let row = 0; row < 4; row += 1) {
      const cell = (spread >>> (row * 5)) & 31;
      const counter = ((words[block + row * 4 + (cell >>> 3)] as number) >>> ((cell & 7) * 4)) & 15;
      if (counter < least) least = counter;
    }
    return least;
  }

  add(hash: number): void {
    const words = this.#words;
    const block = this.#block(hash);
    const spread = Math.imul(hash, 0xc2b2ae3d) >>> 8;
    const least = this.estimate(hash);
    if (least === 15) return;
    for (let row = 0; row < 4; row += 1) {
      const cell = (spread >>> (row * 5)) & 31;
      const at = block + row * 4 + (cell >>> 3);
      const shift = (cell & 7) * 4;
      const word = words[at] as number;
      // A row that says more has other keys in this counter: it would only grow more wrong.
      if (((word >>> shift) & 15) === least) words[at] = word + (1 << shift);
    }
  }

  /** To be called with the number of uses that were added. */
  age(added: number): void {
    const words = this.#words;
    const cursor = Atomics.add(this.#cursor, 0, added) >>> 0;
    const until = Math.floor((cursor + added) / USES_PER_WORD);
    for (let i = Math.floor(cursor / USES_PER_WORD); i < until; i += 1) {
      const at = i & (words.length - 1);
      words[at] = ((words[at] as number) >>> 1) & LOW_THREE_BITS;
    }
  }

  #block(hash: number): number {
    return ((Math.imul(hash, 0x9e3779b1) >>> 4) & (this.#blocks - 1)) * BLOCK_WORDS;
  }
}
