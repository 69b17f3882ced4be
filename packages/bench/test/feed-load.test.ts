import { Random } from '@zmsg/node';
import { expect, test } from 'vitest';
import { FeedLoad } from '../dist/workloads/feed-load.js';

const SIZE = 1_000;
const mix = { likes: 0.04, posts: 0.01 };
const newLoad = (seed = 1) => new FeedLoad({ ...mix, size: SIZE, skew: 0.99, random: new Random(seed) });

/** Plays a load and publishes what it asks for. */
function play(load: FeedLoad, operations: number) {
  const counts = { read: 0, like: 0, post: 0 };
  const accesses = new Map<number, number>();
  let next = SIZE;
  for (let n = 0; n < operations; n++) {
    const operation = load.next();
    counts[operation.kind] += 1;
    if (operation.kind === 'post') load.published(next++, operation.rank);
    else accesses.set(operation.post, (accesses.get(operation.post) ?? 0) + 1);
  }
  return { counts, accesses, published: next - SIZE };
}

test('operations have the shares that were asked for', () => {
  const { counts } = play(newLoad(), 200_000);
  expect(counts.like / 200_000).toBeCloseTo(0.04, 2);
  expect(counts.post / 200_000).toBeCloseTo(0.01, 2);
  expect(counts.read / 200_000).toBeCloseTo(0.95, 2);
});

test('a new post takes the popularity of the rank it was drawn for, and the old one is not asked for again', () => {
  const load = newLoad();
  const old = load.at(0);
  load.published(SIZE, 0);
  expect(load.at(0)).toBe(SIZE);
  const { accesses } = play(load, 2_000);
  expect(accesses.has(old)).toBe(false);
  expect(accesses.get(SIZE)).toBeGreaterThan(100);
});

test('popularity drifts: what was popular first is replaced, the most popular the soonest', () => {
  const load = newLoad();
  play(load, 100_000);
  const isNew = (rank: number) => load.at(rank) >= SIZE;
  const share = (from: number, to: number) => {
    let fresh = 0;
    for (let rank = from; rank < to; rank++) fresh += Number(isNew(rank));
    return fresh / (to - from);
  };
  expect(share(0, 10)).toBe(1);
  expect(share(0, 100)).toBeGreaterThan(share(900, 1_000));
});

test('a seed gives the same load again, also for those who answer in another order', () => {
  const [a, b] = [newLoad(5), newLoad(5)];
  for (let n = 0; n < 1_000; n++) expect(b.next()).toEqual(a.next());
});

test('a post that is not stored yet is not asked for', () => {
  const load = newLoad();
  for (let n = 0; n < 20_000; n++) {
    const operation = load.next();
    if (operation.kind !== 'post') expect(operation.post).toBeLessThan(SIZE);
  }
});
