import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';

const START = 1_700_000_000_000;

function timed(maxBytes = 16 << 10): { cache: SharedLRU; at: (ms: number) => void } {
  let now = START;
  const cache = SharedLRU.create({ maxBytes, clock: () => now });
  return {
    cache,
    at: (ms) => {
      now = START + ms;
    },
  };
}

test('an entry lives until its last millisecond and not one longer', () => {
  const { cache, at } = timed();
  cache.set('key', Buffer.from('value'), { ttl: 100 });
  expect(cache.remainingTtl('key')).toBe(100);
  at(99);
  expect(cache.get('key')?.toString()).toBe('value');
  expect(cache.has('key')).toBe(true);
  expect(cache.remainingTtl('key')).toBe(1);
  at(100);
  expect(cache.get('key')).toBeUndefined();
  expect(cache.has('key')).toBe(false);
  expect(cache.remainingTtl('key')).toBeUndefined();
  expect([...cache.keys()]).toEqual([]);
  expect(cache.delete('key')).toBe(false);
  expect(cache.stats()).toMatchObject({ expirations: 1, entries: 0 });
});

test('without a ttl, or with Infinity, an entry does not expire', () => {
  const { cache, at } = timed();
  cache.set('a', Buffer.from('1'));
  cache.set('b', Buffer.from('2'), { ttl: Number.POSITIVE_INFINITY });
  cache.set('c', Buffer.from('3'), { ttl: undefined });
  cache.set('d', Buffer.from('4'), { ttl: Number.MAX_VALUE });
  at(1e15);
  for (const key of ['a', 'b', 'c']) expect(cache.remainingTtl(key)).toBe(Number.POSITIVE_INFINITY);
  expect(cache.has('d')).toBe(true);
});

test('a set gives the key its new lifetime', () => {
  const { cache, at } = timed();
  cache.set('key', Buffer.from('1'), { ttl: 10 });
  at(5);
  cache.set('key', Buffer.from('2'), { ttl: 10 });
  at(14);
  expect(cache.get('key')?.toString()).toBe('2');
  cache.set('key', Buffer.from('3'));
  at(1000);
  expect(cache.remainingTtl('key')).toBe(Number.POSITIVE_INFINITY);
});

test.for([Number.NaN, 0, -1, Number.NEGATIVE_INFINITY])(
  'a ttl of %d is a RangeError that names it',
  (ttl) => {
    const { cache } = timed();
    cache.set('key', Buffer.from('old'));
    const token = cache.fillToken('key');
    expect(() => cache.set('key', Buffer.from('new'), { ttl })).toThrow(RangeError);
    expect(() => cache.fill('key', Buffer.from('new'), token, { ttl })).toThrow('ttl');
    expect(() => cache.set('key', Buffer.from('new'), { ttl: '5' as unknown as number })).toThrow(TypeError);
    expect(cache.get('key')?.toString()).toBe('old');
  },
);

test('the bytes of expired entries are used again', () => {
  const { cache, at } = timed(64 << 10);
  for (let round = 0; round < 50; round += 1) {
    at(round * 10);
    for (let i = 0; i < 100; i += 1) cache.set(`${round}-${i}`, Buffer.alloc(200), { ttl: 10 });
    for (let i = 0; i < 100; i += 1) expect(cache.has(`${round}-${i}`)).toBe(true);
  }
  expect(cache.stats().evictions).toBe(0);
  expect(cache.stats().expirations).toBeGreaterThan(4000);
  expect(checkStructure(cache.handle)).toEqual([]);
});
