import { SEGMENT } from './layout.js';

/** Fixed point, so that two words hold all the state. */
const ONE = 2 ** 30;
/** With 64 entries a piece of evidence counts 1/64, and the rarer kind at most 64 times that. */
const STEP = 1 / 8;
const MAX_WEIGHT = 64;

/**
 * A choice that a segment makes again and again, one way or the other, and learns from what comes of it:
 * `value` is how often it chooses the first way. Evidence for a way is the hit that it gave or would have
 * given. It is weighed by how rare the cases are in which it can come up, as in ARC (Megiddo and Modha,
 * FAST 2003); so what is compared are two chances of a hit, and where they are equal the value stays.
 *
 * A step is the smaller, the more entries there are: while n entries are replaced, the evidence differs from
 * what is expected by about the root of n, and chance must not move the value far.
 *
 * Everything here runs under the segment's lock.
 */
export class Balance {
  readonly #words: Int32Array;
  readonly #value: number;
  readonly #share: number;
  #random = 1;

  /** @param at the first of two words of state: the value; the share of cases for the first way */
  constructor(segmentWords: Int32Array, at: number) {
    this.#words = segmentWords;
    this.#value = at;
    this.#share = at + 1;
  }

  /** @param value to begin with */
  reset(value: number): void {
    this.#words[this.#value] = value * ONE;
    this.#words[this.#share] = ONE / 2;
  }

  /** True for the first way. */
  choose(): boolean {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0;
    return this.#random >>> 2 < (this.#words[this.#value] as number);
  }

  /** Counts a case in which evidence for the first way (or else the second) may come up. */
  count(isFirst: boolean): void {
    const share = this.#words[this.#share] as number;
    this.#words[this.#share] = share + ((isFirst ? ONE : 0) - share) / this.#entries;
  }

  /** Evidence for the first way, or else for the second. */
  learn(isFirst: boolean): void {
    const words = this.#words;
    const share = (words[this.#share] as number) / ONE;
    const rarity = isFirst ? (1 - share) / share : share / (1 - share);
    const step = (STEP / Math.sqrt(this.#entries)) * Math.min(MAX_WEIGHT, Math.max(1, rarity)) * ONE;
    const value = (words[this.#value] as number) + (isFirst ? step : -step);
    words[this.#value] = Math.min(ONE, Math.max(0, value));
  }

  get #entries(): number {
    return (this.#words[SEGMENT.entries] as number) + 1;
  }
}
