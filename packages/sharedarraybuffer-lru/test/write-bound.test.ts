import { expect, test } from 'vitest';
import { onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';

/** What one call does under the lock, counted in records. */
function countedIn(call: () => void): Record<string, number> {
  const counts: Record<string, number> = { moved: 0, dropped: 0, vacated: 0, locked: 0 };
  onFailpoint((point) => {
    counts[point] = (counts[point] ?? 0) + 1;
  });
  call();
  onFailpoint(undefined);
  return counts;
}

/** The most that one set of small and large values, all in use, costs. */
function worstSet(maxBytes: number): { moved: number; records: number } {
  const cache = SharedLRU.create({ maxBytes });
  let worst = 0;
  for (let i = 0; i < maxBytes / 60; i += 1) {
    cache.set(`s-${i}`, Buffer.alloc(20));
    cache.get(`s-${i}`);
  }
  for (let i = 0; i < 500; i += 1) {
    const bytes = [100, 1000, 5000, 10_000][i % 4] as number;
    const { moved, locked } = countedIn(() => cache.set(`x-${i}`, Buffer.alloc(bytes)));
    expect(locked).toBe(1);
    worst = Math.max(worst, moved as number);
  }
  return { moved: worst, records: cache.stats().entries };
}

test('a write ends after a bounded number of steps, however full and hot the cache is', () => {
  const { moved, records } = worstSet(1 << 20);
  expect(moved).toBeLessThan(records);
});

// A large value makes room by moving many small ones to the main ring, and each of those may spare 64 there.
test.fails('a set moves at most 64 records for each of the two rings', () => {
  expect(worstSet(16 << 20).moved).toBeLessThanOrEqual(128);
});

test('a read takes no lock and comes to no step of a write', () => {
  const cache = SharedLRU.create({ maxBytes: 64 << 10 });
  cache.set('key', Buffer.alloc(100));
  const counts = countedIn(() => {
    for (let i = 0; i < 100; i += 1) {
      cache.get('key');
      cache.get('none');
      cache.has('key');
      cache.remainingTtl('key');
      cache.fillToken('key');
      cache.stats();
    }
  });
  expect(counts).toEqual({ moved: 0, dropped: 0, vacated: 0, locked: 0 });
});
