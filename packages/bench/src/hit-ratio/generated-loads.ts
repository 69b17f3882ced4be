import { Random, Zipf } from '@zmsg/node';
import { type Load, loadOf } from './load.js';

const POPULAR_KEYS = 50_000;
const SKEW = 0.99;

/** Loads of so many accesses each, the same at every call. */
export function generatedLoads(accesses: number): Load[] {
  const load = (name: string, keys: Iterable<number>) => loadOf(name, keys, accesses);
  return [
    load('Zipf with churn', zipfWithChurn(new Random(1))),
    load('Zipf with scans', zipfWithScans(new Random(2))),
    load('recency', recency(new Random(3))),
    load('sliding set', slidingSet(new Random(4))),
    load('loops', loops(new Random(5))),
    load('phases', phases(new Random(6))),
  ];
}

/** Zipf, where every tenth access retires a key, and a new one takes over its popularity. */
function* zipfWithChurn(random: Random): Generator<number> {
  const ranks = new Zipf(POPULAR_KEYS, SKEW, random);
  const keys = Uint32Array.from({ length: POPULAR_KEYS }, (_, i) => i);
  for (let born = POPULAR_KEYS, at = 0; ; at += 1) {
    if (at % 10 === 0) {
      keys[random.below(POPULAR_KEYS)] = born;
      born += 1;
    }
    yield keys[ranks.next()] as number;
  }
}

/** Zipf; after 40,000 accesses each, 10,000 keys that come but once. */
function* zipfWithScans(random: Random): Generator<number> {
  const ranks = new Zipf(POPULAR_KEYS, SKEW, random);
  for (let once = POPULAR_KEYS; ; once += 10_000) {
    for (let i = 0; i < 40_000; i += 1) yield ranks.next();
    for (let i = 0; i < 10_000; i += 1) yield once + i;
  }
}

/** Every third access is a new key; the others come back to one, the sooner the likelier. */
function* recency(random: Random): Generator<number> {
  for (let newest = 0; ; ) {
    if (random.below(3) === 0) newest += 1;
    // Log-uniform over the last 2^15 keys: each doubling of the room gains about the same.
    yield Math.max(0, newest - Math.floor(2 ** (random.fraction() * 15)) + 1);
  }
}

/** Uniform over a set of 3,000 keys, of which one in 30 accesses replaces the oldest. */
function* slidingSet(random: Random): Generator<number> {
  for (let first = 0; ; ) {
    if (random.below(30) === 0) first += 1;
    yield first + random.below(3_000);
  }
}

/** One after the other of 300, 1,200 or 5,000 keys, ten times round; then another loop. */
function* loops(random: Random): Generator<number> {
  const lengths = [300, 1_200, 5_000];
  for (;;) {
    const loop = random.below(lengths.length);
    const length = lengths[loop] as number;
    for (let i = 0; i < 10 * length; i += 1) yield loop * 100_000 + (i % length);
  }
}

/** By turns Zipf and recency, 100,000 accesses each. */
function* phases(random: Random): Generator<number> {
  const popular = zipfWithChurn(random);
  const recent = recency(random);
  for (;;) {
    for (let i = 0; i < 100_000; i += 1) yield 2 * (popular.next().value as number);
    for (let i = 0; i < 100_000; i += 1) yield 2 * (recent.next().value as number) + 1;
  }
}
