const PRIME = 0x9e3779b1;
const LANE_1 = 0x243f6a88;
const LANE_2 = 0x13198a2e;
const LANE_3 = 0x03707344;
const LANE_4 = 0x299f31d0;

/** Spreads every input bit over the word (the finalizer of MurmurHash3); a bijection. */
export function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * 32 bits over `count` words. A change of any one word always changes the result; any other change
 * goes unseen with a chance of 2^-32. Four lanes, because one multiplication takes three cycles and the
 * processor has room for more than one at a time.
 */
export function checksum(words: Int32Array, from: number, count: number): number {
  let a = LANE_1;
  let b = LANE_2;
  let c = LANE_3;
  let d = LANE_4;
  let i = from;
  for (const end = from + (count & ~3); i < end; i += 4) {
    a = Math.imul(a ^ (words[i] as number), PRIME);
    b = Math.imul(b ^ (words[i + 1] as number), PRIME);
    c = Math.imul(c ^ (words[i + 2] as number), PRIME);
    d = Math.imul(d ^ (words[i + 3] as number), PRIME);
  }
  for (const end = from + count; i < end; i += 1) a = Math.imul(a ^ (words[i] as number), PRIME);
  return fold(a, b, c, d);
}

/** Copies `count` words and returns their `checksum`, taken of the very words that were copied. */
export function copyWithChecksum(
  from: Int32Array,
  fromIndex: number,
  to: Int32Array,
  toIndex: number,
  count: number,
): number {
  let a = LANE_1;
  let b = LANE_2;
  let c = LANE_3;
  let d = LANE_4;
  let i = 0;
  for (const end = count & ~3; i < end; i += 4) {
    const w = from[fromIndex + i] as number;
    const x = from[fromIndex + i + 1] as number;
    const y = from[fromIndex + i + 2] as number;
    const z = from[fromIndex + i + 3] as number;
    to[toIndex + i] = w;
    to[toIndex + i + 1] = x;
    to[toIndex + i + 2] = y;
    to[toIndex + i + 3] = z;
    a = Math.imul(a ^ w, PRIME);
    b = Math.imul(b ^ x, PRIME);
    c = Math.imul(c ^ y, PRIME);
    d = Math.imul(d ^ z, PRIME);
  }
  for (; i < count; i += 1) {
    const w = from[fromIndex + i] as number;
    to[toIndex + i] = w;
    a = Math.imul(a ^ w, PRIME);
  }
  return fold(a, b, c, d);
}

function fold(a: number, b: number, c: number, d: number): number {
  return mix(a ^ ((b << 7) | (b >>> 25)) ^ ((c << 13) | (c >>> 19)) ^ ((d << 22) | (d >>> 10)));
}
