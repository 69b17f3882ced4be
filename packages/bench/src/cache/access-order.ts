import { Random, Zipf } from '@zmsg/node';

/** Indexes of keys in the order of their accesses. */
export type AccessOrder = Int32Array;

const LENGTH = 1 << 20;

/** Deterministic, so that all contenders and all runs see the same accesses. */
export function accessOrder(keys: number, skew: number, length = LENGTH): AccessOrder {
  const random = new Random(42);
  const zipf = new Zipf(keys, skew, random);
  const keyOfRank = shuffled(keys, random);
  return Int32Array.from({ length }, () => keyOfRank[zipf.next()] as number);
}

/** Popularity must not follow the order of insertion. */
function shuffled(count: number, random: Random): Int32Array {
  const keys = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [keys[i], keys[j]] = [keys[j] as number, keys[i] as number];
  }
  return keys;
}
