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

/** Sets of small and large values into a cache that is full of entries in use: `visit` is told of each. */
function setsInto(maxBytes: number, visit: (bytes: number, moved: number) => void): void {
  const cache = SharedLRU.create({ maxBytes });
  for (let i = 0; i < maxBytes / 60; i += 1) {
    cache.set(`s-${i}`, Buffer.alloc(20));
    cache.get(`s-${i}`);
  }
  for (let i = 0; i < 500; i += 1) {
    const bytes = [100, 1000, 5000, 10_000][i % 4] as number;
    const { moved, locked } = countedIn(() => cache.set(`x-${i}`, Buffer.alloc(bytes)));
    expect(locked).toBe(1);
    visit(bytes, moved as number);
  }
}

test('a set moves at most 64 records and one for each 128 bytes, however full and hot the cache is', () => {
  let most = 0;
  for (const maxBytes of [1 << 20, 16 << 20]) {
    setsInto(maxBytes, (bytes, moved) => {
      expect(moved).toBeLessThanOrEqual(64 + (bytes + 40) / 128);
      most = Math.max(most, moved);
    });
  }
  expect(most).toBeGreaterThan(64);
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
