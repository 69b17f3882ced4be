import { type Load, loadOf } from './load.js';
import { seededRandom } from './random.js';

const POPULAR_KEYS = 50_000;
const SKEW = 0.99;

/** Loads of so many accesses each, the same at every call. */
export function generatedLoads(accesses: number): Load[] {
  const load = (name: string, keys: Iterable<number>) => loadOf(name, keys, accesses);
  return [
    load('Zipf, churn', zipfWithChurn(seededRandom(1))),
    load('Zipf, scans', zipfWithScans(seededRandom(2))),
    load('recency', recency(seededRandom(3))),
    load('sliding set', slidingSet(seededRandom(4))),
    load('loops', loops(seededRandom(5))),
    load('phases', phases(seededRandom(6))),
  ];
}

/** Zipf, where every tenth access retires a key, and a new one takes over its popularity. */
function* zipfWithChurn(random: () => number): Generator<number> {
  const rank = zipf(random);
  const keys = Uint32Array.from({ length: POPULAR_KEYS }, (_, i) => i);
  for (let born = POPULAR_KEYS, at = 0; ; at += 1) {
    if (at % 10 === 0) {
      keys[Math.floor(random() * POPULAR_KEYS)] = born;
      born += 1;
    }
    yield keys[rank()] as number;
  }
}

/** Zipf; after 40,000 accesses each, 10,000 keys that come but once. */
function* zipfWithScans(random: () => number): Generator<number> {
  const rank = zipf(random);
  for (let once = POPULAR_KEYS; ; once += 10_000) {
    for (let i = 0; i < 40_000; i += 1) yield rank();
    for (let i = 0; i < 10_000; i += 1) yield once + i;
  }
}

/** Every third access is a new key; the others come back to one, the sooner the likelier. */
function* recency(random: () => number): Generator<number> {
  for (let newest = 0; ; ) {
    if (random() < 1 / 3) newest += 1;
    // Log-uniform over the last 2^15 keys: each doubling of the room gains about the same.
    yield Math.max(0, newest - Math.floor(2 ** (random() * 15)) + 1);
  }
}

/** Uniform over a set of 3,000 keys, in which each access replaces the oldest with a chance of one in 30. */
function* slidingSet(random: () => number): Generator<number> {
  for (let first = 0; ; ) {
    if (random() < 1 / 30) first += 1;
    yield first + Math.floor(random() * 3_000);
  }
}

/** One after the other of 300, 1,200 or 5,000 keys, ten times round; then another loop. */
function* loops(random: () => number): Generator<number> {
  const lengths = [300, 1_200, 5_000];
  for (;;) {
    const loop = Math.floor(random() * lengths.length);
    const length = lengths[loop] as number;
    for (let i = 0; i < 10 * length; i += 1) yield loop * 100_000 + (i % length);
  }
}

/** By turns Zipf and recency, 100,000 accesses each. */
function* phases(random: () => number): Generator<number> {
  const popular = zipfWithChurn(random);
  const recent = recency(random);
  for (;;) {
    for (let i = 0; i < 100_000; i += 1) yield 2 * (popular.next().value as number);
    for (let i = 0; i < 100_000; i += 1) yield 2 * (recent.next().value as number) + 1;
  }
}

/** Ranks from 0, the first the most popular. */
function zipf(random: () => number): () => number {
  const sums = new Float64Array(POPULAR_KEYS);
  let sum = 0;
  for (let i = 0; i < POPULAR_KEYS; i += 1) {
    sum += 1 / (i + 1) ** SKEW;
    sums[i] = sum;
  }
  return () => {
    const target = random() * sum;
    let low = 0;
    let high = POPULAR_KEYS - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
