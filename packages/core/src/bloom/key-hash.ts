/** Part of the layout: filters of different versions are never compared. */
export const HASH_VERSION = 1;

/**
 * 64 bits of hash of a JavaScript string, over its UTF-16 code units: no encoding to UTF-8, no
 * allocation. Two lanes in the manner of MurmurHash3, two code units at a time, mixed at the end.
 * Not keyed: whoever may choose keys can make some collide, which costs look-ups, not correctness.
 */
export class KeyHash {
  low = 0;
  high = 0;

  update(key: string, seed: number): void {
    const length = key.length;
    let a = seed | 0;
    let b = (seed ^ 0x9e3779b9) | 0;
    let at = 0;
    for (; at + 1 < length; at += 2) {
      const unit = key.charCodeAt(at) | (key.charCodeAt(at + 1) << 16);
      let k = Math.imul(unit, 0xcc9e2d51);
      a ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
      a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
      k = Math.imul(unit, 0x239b961b);
      b ^= Math.imul((k << 16) | (k >>> 16), 0xab0e9789);
      b = (Math.imul((b << 17) | (b >>> 15), 5) + 0x561ccd1b) | 0;
    }
    if (at < length) {
      const unit = key.charCodeAt(at);
      let k = Math.imul(unit, 0xcc9e2d51);
      a ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
      k = Math.imul(unit, 0x239b961b);
      b ^= Math.imul((k << 16) | (k >>> 16), 0xab0e9789);
    }
    a ^= length;
    b ^= length;
    a = (a + b) | 0;
    b = (b + a) | 0;
    a = finish(a);
    b = finish(b);
    a = (a + b) | 0;
    this.low = a;
    this.high = (b + a) | 0;
  }
}

function finish(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
