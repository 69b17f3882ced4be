/** Indexes of keys in the order of their accesses. */
export type AccessOrder = Int32Array;

const LENGTH = 1 << 20;

/** Deterministic, so that all contenders and all runs see the same accesses. */
export function accessOrder(keys: number, exponent: number, length = LENGTH): AccessOrder {
  const random = xorshift(0x2545f491);
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let i = 0; i < keys; i++) {
    sum += 1 / (i + 1) ** exponent;
    sums[i] = sum;
  }
  const ranks = shuffled(keys, random);
  const order = new Int32Array(length);
  for (let i = 0; i < length; i++) order[i] = ranks[indexOf(sums, random() * sum)] as number;
  return order;
}

/** The key of each rank: popularity must not follow the order of insertion. */
function shuffled(count: number, random: () => number): Int32Array {
  const ranks = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [ranks[i], ranks[j]] = [ranks[j] as number, ranks[i] as number];
  }
  return ranks;
}

function indexOf(sums: Float64Array, target: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) < target) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Marsaglia, "Xorshift RNGs", 2003. From 0 to below 1. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
