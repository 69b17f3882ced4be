import { BLOCK_BITS, type BloomSize } from './bloom-size.js';
import { HASH_VERSION, KeyHash } from './key-hash.js';

/** Plain memory that any thread of the process may attach to. */
export interface BloomHandle {
  readonly kind: 'zmsg-bloom';
  readonly memory: SharedArrayBuffer;
}

export const BLOCK_BYTES = BLOCK_BITS / 8;
const BLOCK_WORDS = BLOCK_BITS / 32;
const MAGIC = 0x7a62_6c31;
// Int32 indexes of the header, which is one block long.
const MAGIC_AT = 0;
const VERSION = 1;
const SEED = 2;
const K = 3;
const BLOCKS = 4;
const INSERTED = 5;
const HEADER_WORDS = BLOCK_WORDS;

/**
 * A blocked Bloom filter in shared memory: all bits of a key lie in one block of 512 bits, which is
 * one cache line.
 *
 *     header (64 bytes): magic | hash version | seed | k | blocks | inserted | …
 *     block 0, block 1, …
 *
 * Bit j of a block is bit 7 − j mod 8 of byte j / 8, as Redis numbers the bits of a string: a block
 * and the same stretch of a Redis bitmap are the same bytes. (Words are little-endian, as on every
 * platform that Node.js is built for but s390x, where only the sharing would be off.)
 *
 * Bits are set by atomic OR. They are read by plain loads: a reader that must see a bit has learnt of
 * the row after it was written, through something that orders memory (a message, an atomic, a reply).
 */
export class BloomBits {
  readonly handle: BloomHandle;
  readonly blocks: number;
  readonly k: number;
  readonly seed: number;
  readonly #words: Int32Array;
  readonly #hash = new KeyHash();

  private constructor(memory: SharedArrayBuffer) {
    this.handle = Object.freeze({ kind: 'zmsg-bloom', memory });
    this.#words = new Int32Array(memory);
    this.seed = this.#words[SEED] ?? 0;
    this.k = this.#words[K] ?? 1;
    this.blocks = this.#words[BLOCKS] ?? 1;
  }

  static create(size: BloomSize, seed = 0): BloomBits {
    const memory = new SharedArrayBuffer((size.blocks + 1) * BLOCK_BYTES);
    const words = new Int32Array(memory);
    words[VERSION] = HASH_VERSION;
    words[SEED] = seed;
    words[K] = size.k;
    words[BLOCKS] = size.blocks;
    Atomics.store(words, MAGIC_AT, MAGIC);
    return new BloomBits(memory);
  }

  /** @throws TypeError when `handle` is not a filter's, or of another version of this package. */
  static attach(handle: BloomHandle): BloomBits {
    const memory: unknown = handle?.memory;
    if (!(memory instanceof SharedArrayBuffer) || memory.byteLength < 2 * BLOCK_BYTES)
      throw new TypeError('not a handle of a Bloom filter');
    const words = new Int32Array(memory, 0, HEADER_WORDS);
    if (Atomics.load(words, MAGIC_AT) !== MAGIC || words[VERSION] !== HASH_VERSION)
      throw new TypeError('not a handle of a Bloom filter of this version');
    return new BloomBits(memory);
  }

  /** What two filters must have in common to be merged. */
  get layout(): string {
    return `${HASH_VERSION}.${this.seed}.${this.k}.${this.blocks}`;
  }

  /** Keys that set at least one new bit: the distinct keys, short by the false positives. */
  get inserted(): number {
    return Atomics.load(this.#words, INSERTED) >>> 0;
  }

  /** Returns whether any bit was new. */
  add(key: string): boolean {
    const { k } = this;
    const words = this.#words;
    const first = this.#locate(key);
    const { low } = this.#hash;
    let spread = this.#hash.high;
    let bits = spread;
    let isNew = false;
    for (let n = 0, left = 3; n < k; n++, left--) {
      if (left === 0) {
        spread = (Math.imul(spread ^ (spread >>> 15), 0x85ebca6b) + low) | 0;
        bits = spread ^ (spread >>> 13);
        left = 3;
      }
      const bit = bits & 511;
      bits >>>= 9;
      const mask = 1 << ((bit & 31) ^ 7);
      if (((words[first + (bit >>> 5)] as number) & mask) !== 0) continue;
      Atomics.or(words, first + (bit >>> 5), mask);
      isNew = true;
    }
    if (isNew) Atomics.add(words, INSERTED, 1);
    return isNew;
  }

  /** False: `key` was never added. */
  mayContain(key: string): boolean {
    const { k } = this;
    const words = this.#words;
    const first = this.#locate(key);
    const { low } = this.#hash;
    let spread = this.#hash.high;
    let bits = spread;
    for (let n = 0, left = 3; n < k; n++, left--) {
      if (left === 0) {
        spread = (Math.imul(spread ^ (spread >>> 15), 0x85ebca6b) + low) | 0;
        bits = spread ^ (spread >>> 13);
        left = 3;
      }
      const bit = bits & 511;
      bits >>>= 9;
      if (((words[first + (bit >>> 5)] as number) & (1 << ((bit & 31) ^ 7))) === 0) return false;
    }
    return true;
  }

  /** The block of a key. */
  blockOf(key: string): number {
    return this.#locate(key) / BLOCK_WORDS - 1;
  }

  /** A copy of one block. */
  block(index: number): Buffer {
    const words = this.#words.slice((index + 1) * BLOCK_WORDS, (index + 2) * BLOCK_WORDS);
    return Buffer.from(words.buffer);
  }

  isBlockEmpty(index: number): boolean {
    const first = (index + 1) * BLOCK_WORDS;
    for (let n = 0; n < BLOCK_WORDS; n++) if (this.#words[first + n] !== 0) return false;
    return true;
  }

  /** Merges the bytes of a block of the same layout; missing bytes count as zeros. */
  orBlock(index: number, bytes: Buffer): void {
    const first = (index + 1) * BLOCK_WORDS;
    const padded = Buffer.alloc(BLOCK_BYTES);
    bytes.copy(padded);
    for (let n = 0; n < BLOCK_WORDS; n++) {
      const word = padded.readInt32LE(n * 4);
      if (word !== 0) Atomics.or(this.#words, first + n, word);
    }
  }

  /** Share of bits that are set, and the false positives to expect from that; from up to 4,096 blocks. */
  measure(): { fill: number; errorRate: number } {
    const step = Math.max(1, Math.floor(this.blocks / 4096));
    let fill = 0;
    let errorRate = 0;
    let blocks = 0;
    for (let index = 0; index < this.blocks; index += step, blocks++) {
      let set = 0;
      const first = (index + 1) * BLOCK_WORDS;
      for (let n = 0; n < BLOCK_WORDS; n++) set += bitCount(this.#words[first + n] as number);
      fill += set / BLOCK_BITS;
      errorRate += (set / BLOCK_BITS) ** this.k;
    }
    return { fill: fill / blocks, errorRate: errorRate / blocks };
  }

  /** Index of the first word of the key's block; the hash is left in `#hash`. */
  #locate(key: string): number {
    this.#hash.update(key, this.seed);
    // The high bits choose the block; a multiplication is cheaper than a remainder and needs no power of two.
    const block = Math.floor(((this.#hash.low >>> 0) * this.blocks) / 0x1_0000_0000);
    return (block + 1) * BLOCK_WORDS;
  }
}

function bitCount(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
