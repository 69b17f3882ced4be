import { MAX_KEY_BYTES, wordsOf } from './record.js';

/**
 * The key of the call in progress, as bytes, words and hash. One per cache and thread, filled anew by
 * each call, so that a look-up allocates nothing.
 *
 * The hash is HalfSipHash-1-3 but for the place of the length (it is what Linux uses for its hash tables on 32-bit machines) under a random
 * 64-bit seed per cache: keys that collide cannot be chosen from outside, as they can be for
 * MurmurHash, for which collisions are known that hold under every seed.
 */
export class KeyProbe {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #seed1: number;
  readonly #seed2: number;
  byteLength = 0;
  h1 = 0;
  h2 = 0;

  constructor(seed1: number, seed2: number) {
    const memory = new ArrayBuffer(MAX_KEY_BYTES + 8);
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.#seed1 = seed1;
    this.#seed2 = seed2;
  }

  /** @throws TypeError for no string or a lone surrogate, RangeError for none or more than 512 bytes. */
  load(key: string): void {
    if (typeof key !== 'string') throw new TypeError(`the key must be a string, not ${kindOf(key)}`);
    const length = key.length;
    if (length === 0) throw new RangeError('the key must not be empty');
    // A UTF-16 code unit is at least one byte of UTF-8.
    if (length > MAX_KEY_BYTES) throw tooLong(`${length} characters`);
    const bytes = this.bytes;
    for (let i = 0; i < length; i += 1) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) {
        this.#encodeRest(key, i);
        return;
      }
      bytes[i] = unit;
    }
    this.#finish(length);
  }

  /** Takes the key from bytes that were encoded before. */
  loadBytes(source: Uint8Array, from: number, byteLength: number): void {
    for (let i = 0; i < byteLength; i += 1) this.bytes[i] = source[from + i] as number;
    this.#finish(byteLength);
  }

  #encodeRest(key: string, from: number): void {
    const bytes = this.bytes;
    const length = key.length;
    let at = from;
    for (let i = from; i < length; i += 1) {
      const unit = key.charCodeAt(i);
      // The longest character has four bytes, and the buffer that much room behind the last byte allowed.
      if (at > MAX_KEY_BYTES) break;
      if (unit < 0x80) {
        bytes[at++] = unit;
      } else if (unit < 0x800) {
        bytes[at++] = 0xc0 | (unit >> 6);
        bytes[at++] = 0x80 | (unit & 0x3f);
      } else if (unit < 0xd800 || unit > 0xdfff) {
        bytes[at++] = 0xe0 | (unit >> 12);
        bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
        bytes[at++] = 0x80 | (unit & 0x3f);
      } else {
        const low = i + 1 < length ? key.charCodeAt(i + 1) : 0;
        if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
          throw new TypeError(`the key has a lone surrogate at index ${i}`);
        }
        const point = ((unit - 0xd800) << 10) + (low - 0xdc00) + 0x10000;
        bytes[at++] = 0xf0 | (point >> 18);
        bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
        bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
        bytes[at++] = 0x80 | (point & 0x3f);
        i += 1;
      }
    }
    if (at > MAX_KEY_BYTES) throw tooLong('more than that');
    this.#finish(at);
  }

  #finish(byteLength: number): void {
    const bytes = this.bytes;
    bytes[byteLength] = 0;
    bytes[byteLength + 1] = 0;
    bytes[byteLength + 2] = 0;
    this.byteLength = byteLength;

    const words = this.words;
    const count = wordsOf(byteLength);
    // The length goes into the start, for the zeros behind the last byte are part of the last word.
    let v0 = this.#seed1;
    let v1 = this.#seed2 ^ 0xee ^ (byteLength << 8);
    let v2 = this.#seed1 ^ 0x6c796765;
    let v3 = this.#seed2 ^ 0x74656462;
    for (let i = 0; i < count; i += 1) {
      const message = words[i] as number;
      v3 ^= message;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= message;
    }
    v2 ^= 0xee;
    for (let i = 0; i < 3; i += 1) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    this.h1 = v1 ^ v3;
    this.h2 = v0 ^ v2;
  }
}

function tooLong(size: string): RangeError {
  return new RangeError(`the key must have at most ${MAX_KEY_BYTES} bytes of UTF-8, it has ${size}`);
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return value.constructor?.name ?? 'an object';
}
