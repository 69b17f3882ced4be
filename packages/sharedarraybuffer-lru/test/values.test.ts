import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';

test('a value is copied, whatever kind of Uint8Array it is', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 255);
  const shared = new Uint8Array(new SharedArrayBuffer(5000));
  shared.set(bytes);
  for (const source of [bytes, Buffer.from(bytes), shared]) {
    for (const [from, to] of [
      [0, 0],
      [0, 1],
      [1, 4],
      [3, 50],
      [5, 1029],
      [5, 1030],
      [7, 5000],
    ]) {
      const value = source.subarray(from, to);
      cache.set('key', value);
      const got = cache.get('key');
      expect(Buffer.isBuffer(got)).toBe(true);
      expect(got?.buffer).toBeInstanceOf(ArrayBuffer);
      expect(got?.equals(bytes.subarray(from, to))).toBe(true);
    }
  }
  expect(checkStructure(cache.handle)).toEqual([]);
});

test('changing the bytes that were given does not change the cache', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  for (const size of [1, 30, 100, 1024, 2000]) {
    const value = Buffer.alloc(size, 1);
    cache.set('key', value);
    value.fill(2);
    for (let i = 0; i < 6; i += 1) expect(cache.get('key')?.equals(Buffer.alloc(size, 1))).toBe(true);
  }
});

test('a value that was read stays as it is, whatever happens to its key and to others', () => {
  const cache = SharedLRU.create({ maxBytes: 16 << 10 });
  const kept: [Buffer, number, number][] = [];
  for (let i = 0; i < 20_000; i += 1) {
    const size = (i * 7) % 300;
    cache.set(`key-${i % 5}`, Buffer.alloc(size, i));
    for (let n = 0; n < 5; n += 1) {
      const value = cache.get(`key-${i % 5}`) as Buffer;
      if (i % 10 === 0) kept.push([value, size, i & 255]);
    }
    if (i % 11 === 0) cache.delete(`key-${i % 5}`);
    if (i % 1001 === 0) cache.clear();
  }
  for (const [value, size, byte] of kept) expect(value.equals(Buffer.alloc(size, byte))).toBe(true);
});

test('getMany gives the keys that are there, each once, and counts like get', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  cache.set('a', Buffer.from('1'));
  cache.set('b', Buffer.alloc(0));
  const found = cache.getMany(['a', 'none', 'b', 'a']);
  expect([...found]).toEqual([
    ['a', Buffer.from('1')],
    ['b', Buffer.alloc(0)],
  ]);
  expect(cache.stats()).toMatchObject({ hits: 3, misses: 1 });
  expect(() => cache.getMany(['a', ''])).toThrow(RangeError);
});

test('a value of no bytes is not the same as no value', () => {
  const cache = SharedLRU.create({ maxBytes: 16 << 10 });
  expect(cache.get('key')).toBeUndefined();
  expect(cache.set('key', new Uint8Array(0))).toBe(true);
  expect(cache.get('key')?.length).toBe(0);
  expect(cache.has('key')).toBe(true);
  expect(cache.delete('key')).toBe(true);
  expect(cache.get('key')).toBeUndefined();
});

test('what is no Uint8Array is a TypeError and changes nothing', () => {
  const cache = SharedLRU.create({ maxBytes: 16 << 10 });
  cache.set('key', Buffer.from('value'));
  const token = cache.fillToken('key');
  for (const value of [
    'text',
    1,
    null,
    undefined,
    {},
    [1],
    new ArrayBuffer(4),
    new Uint16Array(2),
    new DataView(new ArrayBuffer(4)),
  ]) {
    expect(() => cache.set('key', value as Uint8Array)).toThrow(TypeError);
    expect(() => cache.fill('key', value as Uint8Array, token)).toThrow('the value must be a Uint8Array');
  }
  expect(cache.get('key')?.toString()).toBe('value');
  expect(cache.fillToken('key')).toBe(token);
});

test('a value above the bound is refused, takes the older one along, and is counted', () => {
  const cache = SharedLRU.create({ maxBytes: 64 << 10, maxValueBytes: 1000 });
  expect(cache.set('key', Buffer.alloc(1000, 1))).toBe(true);
  expect(cache.fill('key', Buffer.alloc(1001), cache.fillToken('key'))).toBe(false);
  expect(cache.get('key')?.length).toBe(1000);
  const token = cache.fillToken('key');
  expect(cache.set('key', Buffer.alloc(1001))).toBe(false);
  expect(cache.get('key')).toBeUndefined();
  expect(cache.fill('key', Buffer.alloc(1), token)).toBe(false);
  expect(cache.stats()).toMatchObject({ refused: 2, sets: 1, entries: 0 });
});

test('everything stays within maxBytes, and the bound of a value is by default a quarter of the log', () => {
  for (const maxBytes of [16_384, 16_385, 50_000, 1 << 20, 12_345_678, 64 << 20]) {
    const cache = SharedLRU.create({ maxBytes });
    expect(cache.handle.buffer.byteLength).toBeLessThanOrEqual(maxBytes);
    expect(cache.handle.buffer.byteLength).toBeGreaterThan(maxBytes * 0.98);
    for (let i = 0; i < 3000; i += 1) {
      const value = Buffer.alloc((i * 37) % 2000, i);
      expect(cache.set(`key-${i}`, value)).toBe(true);
      expect(cache.get(`key-${i}`)?.equals(value)).toBe(true);
    }
    const stats = cache.stats();
    expect(stats.usedBytes).toBeLessThanOrEqual(maxBytes);
    if (maxBytes < 1 << 20) expect(stats.evictions).toBeGreaterThan(0);
    expect(checkStructure(cache.handle)).toEqual([]);
  }
});

test('a key that is written often does not push out keys that have room', () => {
  const cache = SharedLRU.create({ maxBytes: 64 << 10 });
  for (let i = 0; i < 100; i += 1) cache.set(`still-${i}`, Buffer.alloc(200, i));
  for (let i = 0; i < 20_000; i += 1) cache.set('busy', Buffer.alloc(200, i));
  for (let i = 0; i < 100; i += 1) expect(cache.get(`still-${i}`)?.[0]).toBe(i);
  expect(cache.stats().evictions).toBe(0);
});

test('the keys that are read stay when many pass by that are not', () => {
  const cache = SharedLRU.create({ maxBytes: 256 << 10 });
  let hits = 0;
  for (let i = 0; i < 100_000; i += 1) {
    cache.set(`passing-${i}`, Buffer.alloc(100));
    const hot = `hot-${i % 300}`;
    if (cache.get(hot) !== undefined) hits += 1;
    else cache.set(hot, Buffer.alloc(100));
  }
  expect(hits).toBeGreaterThan(95_000);
});

/** Hits of keys that come back after more keys than fit have passed by. */
function hitsWith(options: { counters?: number; bufferItems?: number }): number {
  const cache = SharedLRU.create({ maxBytes: 64 << 10, ...options });
  let hits = 0;
  let state = 5;
  for (let i = 0; i < 60_000; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const known = i % 2 === 0;
    const key = known ? `known-${(state >>> 8) % 600}` : `once-${i}`;
    if (cache.get(key) !== undefined) hits += 1;
    else cache.set(key, Buffer.alloc(100));
  }
  return hits;
}

test('frequency counters remember evicted keys, so more of them give more hits', () => {
  expect(hitsWith({ counters: 16_384 })).toBeGreaterThan(hitsWith({ counters: 1 }) * 1.05);
});

test('bufferItems is how many reads the statistics of other threads may lag behind', () => {
  const cache = SharedLRU.create({ maxBytes: 16 << 10, bufferItems: 10 });
  const other = SharedLRU.attach(cache.handle);
  cache.set('key', Buffer.alloc(1));
  for (let i = 0; i < 9; i += 1) other.get('key');
  expect(cache.stats().hits).toBe(0);
  other.get('key');
  expect(cache.stats().hits).toBe(10);
  for (let i = 0; i < 9; i += 1) other.get('none');
  expect(cache.stats().misses).toBe(0);
  expect(other.stats()).toMatchObject({ hits: 10, misses: 9 });
  expect(cache.stats()).toMatchObject({ hits: 10, misses: 9 });
});
