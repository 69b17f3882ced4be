import { expect, test } from 'vitest';
import { SharedLRU } from '../dist/index.js';

const VALUE = Buffer.from('v');

test('a sample has keys that are there, each once, and no more than asked for', () => {
  let now = 1_000;
  const cache = SharedLRU.create({ maxBytes: 1 << 20, clock: () => now });
  expect(cache.sample(10)).toEqual([]);
  for (let n = 0; n < 500; n += 1) cache.set(`key_${n}`, VALUE);
  cache.set('short', VALUE, { ttl: 10 });
  cache.delete('key_0');
  now += 10;
  for (const count of [0, 1, 7, 100, 499, 600]) {
    const keys = cache.sample(count);
    expect(keys).toHaveLength(Math.min(count, new Set(keys).size));
    expect(keys.length).toBeGreaterThanOrEqual(Math.min(count, 100));
    for (const key of keys) expect(cache.has(key)).toBe(true);
  }
  expect(cache.sample(1_000).sort()).toEqual([...cache.keys()].sort());
});

test('every key is drawn sooner or later, in ever new company', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  for (let n = 0; n < 300; n += 1) cache.set(`key_${n}`, VALUE);
  const drawn = new Set<string>();
  const first = new Set<string | undefined>();
  for (let n = 0; n < 5_000 && drawn.size < 300; n += 1) {
    const sample = cache.sample(5);
    first.add(sample[0]);
    for (const key of sample) drawn.add(key);
  }
  expect(drawn.size).toBe(300);
  expect(first.size).toBeGreaterThan(20);
});

test('a sample of a cache that is large and nearly empty looks at a part of it, another one each time', () => {
  const cache = SharedLRU.create({ maxBytes: 256 << 20 });
  for (let n = 0; n < 64; n += 1) cache.set(`key_${n}`, VALUE);
  const drawn = new Set<string>();
  for (let n = 0; n < 2_000 && drawn.size < 64; n += 1) for (const key of cache.sample(64)) drawn.add(key);
  expect(drawn.size).toBe(64);
});
