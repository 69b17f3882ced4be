import { expect, test } from 'vitest';
import { Balance } from '../dist/balance.js';
import { CacheMemory } from '../dist/cache-memory.js';
import { GHOST, type Ghosts } from '../dist/ghosts.js';
import { SharedLRU } from '../dist/index.js';
import { SEGMENT } from '../dist/layout.js';

const VALUE = Buffer.alloc(100, 'v');

/** The only segment of a small cache, and its ghosts. */
function segmentOf(entries: number) {
  const cache = SharedLRU.create({ maxBytes: 64 << 10 });
  const memory = CacheMemory.attach(cache.handle.buffer);
  const segment = memory.segments[0] as (typeof memory.segments)[number];
  segment.words[SEGMENT.entries] = entries;
  return segment;
}

const hash = (n: number) => Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(n, 0x85ebca6b);

function taken(ghosts: Ghosts, from: number, to: number): number {
  let found = 0;
  for (let n = from; n < to; n += 1) if (ghosts.take(hash(n)) !== GHOST.none) found += 1;
  return found;
}

test('most evicted keys are remembered for as many evictions as there are entries', () => {
  const { ghosts } = segmentOf(400);
  for (let n = 0; n < 400; n += 1) ghosts.add(hash(n), GHOST.small, 400);
  expect(taken(ghosts, 0, 400)).toBeGreaterThan(280);
});

test('a ghost is forgotten after it was taken, or after more than one round and a quarter', () => {
  const { ghosts } = segmentOf(100);
  ghosts.add(hash(1), GHOST.proven, 100);
  expect(ghosts.take(hash(1))).toBe(GHOST.proven);
  expect(ghosts.take(hash(1))).toBe(GHOST.none);
  // Rounds enough for the quarters to be numbered from the beginning some ten times.
  for (let n = 0; n < 2_000; n += 1) {
    ghosts.add(hash(n), GHOST.small, 100);
    if (n >= 126) expect(taken(ghosts, n - 126, n - 125)).toBe(0);
  }
});

test('a table of ghosts of keys that never come back seldom knows a stranger', () => {
  const { ghosts } = segmentOf(600);
  let strangers = 0;
  for (let n = 0; n < 20_000; n += 1) {
    ghosts.add(hash(n), GHOST.small, 600);
    if (ghosts.take(hash(n + 1_000_000)) !== GHOST.none) strangers += 1;
  }
  expect(strangers).toBeLessThan(100);
});

test('a balance goes to the side whose cases more often turn out well, however rare they are', () => {
  const segment = segmentOf(1_000);
  const balance = new Balance(segment.words, SEGMENT.recency);
  balance.reset(0.5);
  const chosen = () => Array.from({ length: 1_000 }, () => balance.choose()).filter(Boolean).length;
  // One case in 20 is for the first way. Every fifth case of one way turns out well, every 20th of the other.
  const play = (everyFirst: number, everySecond: number) => {
    for (let n = 1; n <= 40_000; n += 1) {
      const isFirst = n % 20 === 0;
      balance.count(isFirst);
      if (n % (isFirst ? 20 * everyFirst : everySecond) === 0) balance.learn(isFirst);
    }
  };
  play(5, 21);
  expect(chosen()).toBeGreaterThan(900);
  play(20, 5);
  expect(chosen()).toBeLessThan(100);
});

test('what is read near stays, while more keys than fit pass by', () => {
  const cache = SharedLRU.create({ maxBytes: 256 << 10 });
  const hot = Array.from({ length: 50 }, (_, n) => `hot-${n}`);
  for (const key of hot) {
    cache.set(key, VALUE);
    for (let n = 0; n < 8; n += 1) cache.get(key);
  }
  const stillThere = () => hot.filter((key) => cache.get(key) !== undefined).length;
  for (let n = 0; n < 50_000; n += 1) {
    cache.set(`passing-${n}`, VALUE);
    // One or two may fall to full buckets of the index.
    if (n % 500 === 0) expect(stillThere()).toBeGreaterThanOrEqual(hot.length - 2);
  }
  expect(cache.stats().evictions).toBeGreaterThan(40_000);
});

test('keys that were read often give way once nobody reads them', () => {
  const cache = SharedLRU.create({ maxBytes: 128 << 10 });
  const hits = (from: number) => {
    let found = 0;
    for (let n = 0; n < 100_000; n += 1) {
      const key = `key-${from + ((Math.imul(n, 2_654_435) >>> 8) % 300)}`;
      if (cache.get(key) !== undefined) found += 1;
      else cache.set(key, VALUE);
    }
    return found;
  };
  expect(hits(0)).toBeGreaterThan(99_000);
  expect(hits(1_000)).toBeGreaterThan(99_000);
});
