import formulas from 'bloom-filters/dist/formulas.js';

export interface BloomSize {
  /** Of 512 bits each. */
  readonly blocks: number;
  /** Bits per key, all in one block. */
  readonly k: number;
}

export const BLOCK_BITS = 512;
const MAX_K = 24;

/**
 * Blocks and bits per key for `capacity` keys at `errorRate` false positives.
 *
 * The sizing of a plain Bloom filter is the start. Keys fall unevenly on blocks (Poisson), and full
 * blocks err more than empty ones save: about 8 % more memory at 1 %, growing as the rate falls. So
 * blocks are added until the mean over that distribution meets the rate.
 */
export function bloomSize(capacity: number, errorRate: number): BloomSize {
  const plainBits = formulas.optimalFilterSize(capacity, errorRate);
  const plainK = formulas.optimalHashes(plainBits, capacity);
  let best: BloomSize | undefined;
  for (let k = Math.max(1, Math.min(plainK, MAX_K) - 4); k <= Math.min(plainK + 1, MAX_K); k++) {
    let low = 1;
    let high = Math.max(2, Math.ceil(plainBits / BLOCK_BITS));
    while (blockedErrorRate(capacity / high, k) > errorRate) high *= 2;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (blockedErrorRate(capacity / middle, k) > errorRate) low = middle + 1;
      else high = middle;
    }
    if (best === undefined || low < best.blocks) best = { blocks: low, k };
  }
  return best ?? { blocks: 1, k: 1 };
}

/** False positives when blocks hold `keysPerBlock` keys on average. */
function blockedErrorRate(keysPerBlock: number, k: number): number {
  const last = Math.ceil(keysPerBlock + 12 * Math.sqrt(keysPerBlock) + 12);
  let probability = Math.exp(-keysPerBlock);
  // Below the range of a double: so many keys per block that every bit is set.
  if (probability === 0) return 1;
  let sum = 0;
  for (let keys = 1; keys <= last; keys++) {
    probability *= keysPerBlock / keys;
    sum += probability * (1 - (1 - 1 / BLOCK_BITS) ** (keys * k)) ** k;
  }
  return sum;
}
