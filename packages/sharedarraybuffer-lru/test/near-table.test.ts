import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CacheMemory } from '../dist/cache-memory.js';
import { SharedLRU } from '../dist/index.js';
import { KeyProbe } from '../dist/key-probe.js';
import { SEGMENT } from '../dist/layout.js';
import type { Segment } from '../dist/segment.js';

/** Two views of one cache stand for two threads: each has a near table of its own. */
function twoViews(nearBytes = 128 * 1024) {
  let now = 1_000;
  const clock = () => now;
  const a = SharedLRU.create({ maxBytes: 256 * 1024, nearBytes, clock });
  const b = SharedLRU.attach(a.handle, { clock });
  return { a, b, advance: (ms: number) => (now += ms) };
}

/** Reads often enough for the key to be near. */
function bringNear(cache: SharedLRU, key: string): void {
  for (let n = 0; n < 8; n++) cache.get(key);
}

const text = (value: Buffer | undefined) => value?.toString();

test('what another thread writes, deletes or clears is seen by the next read of a near key', () => {
  const { a, b } = twoViews();
  a.set('k', Buffer.from('one'));
  bringNear(a, 'k');
  b.set('k', Buffer.from('two'));
  expect(text(a.get('k'))).toBe('two');
  bringNear(a, 'k');
  b.delete('k');
  expect(a.get('k')).toBeUndefined();
  b.set('k', Buffer.from('three'));
  bringNear(a, 'k');
  b.clear();
  expect(a.get('k')).toBeUndefined();
  b.fill('k', Buffer.from('four'), b.fillToken('k'));
  expect(text(a.get('k'))).toBe('four');
});

test('a near entry ends to the millisecond', () => {
  const { a, advance } = twoViews();
  a.set('k', Buffer.from('v'), { ttl: 100 });
  bringNear(a, 'k');
  advance(99);
  expect(text(a.get('k'))).toBe('v');
  advance(1);
  expect(a.get('k')).toBeUndefined();
});

test('a near key gives the same Buffer again, which stays as it is when the key changes', () => {
  const { a, b } = twoViews();
  a.set('k', Buffer.from('value'));
  bringNear(a, 'k');
  const first = a.get('k') as Buffer;
  expect(a.get('k')).toBe(first);
  b.set('k', Buffer.from('other'));
  for (let n = 0; n < 20_000; n++) a.set(`other:${n}`, Buffer.alloc(40, n));
  bringNear(a, 'other:19999');
  expect(text(first)).toBe('value');
  expect(text(a.get('k'))).not.toBe('value');
});

test('with nearBytes 0 every caller owns its Buffer', () => {
  const { a } = twoViews(0);
  a.set('k', Buffer.from('value'));
  bringNear(a, 'k');
  const mine = a.get('k') as Buffer;
  mine.fill(0);
  expect(text(a.get('k'))).toBe('value');
});

test('a thread chooses its own nearBytes, or takes over those of the handle', () => {
  const { a } = twoViews(0);
  const near = SharedLRU.attach(a.handle, { nearBytes: 4096 });
  a.set('k', Buffer.from('value'));
  for (const cache of [a, near]) bringNear(cache, 'k');
  expect(near.get('k')).toBe(near.get('k'));
  expect(a.get('k')).not.toBe(a.get('k'));
  const same = SharedLRU.attach(a.handle);
  bringNear(same, 'k');
  expect(same.get('k')).not.toBe(same.get('k'));
});

test('what is read again and again stays near while others pass through', () => {
  const { a } = twoViews(16 * 1024);
  a.set('hot', Buffer.alloc(100, 1));
  for (let n = 0; n < 500; n++) a.set(`cold:${n}`, Buffer.alloc(100, n));
  bringNear(a, 'hot');
  const hot = a.get('hot');
  for (let n = 0; n < 500; n++) {
    for (let read = 0; read < 3; read++) a.get(`cold:${n}`);
    // A table that had let it go would give a copy first.
    expect(a.get('hot')).toBe(a.get('hot'));
  }
  // Copied on in the table, so it is another Buffer with the same bytes, and near: given again.
  expect(a.get('hot')).not.toBe(hot);
  expect(a.get('hot')).toBe(a.get('hot'));
  expect(a.get('hot')?.equals(hot as Buffer)).toBe(true);
  const coldest = a.get('cold:0');
  expect(a.get('cold:0')).not.toBe(coldest);
});

test('a near key is seen as it was while a writer is at work, and as it is as soon as the slot has changed', () => {
  const { a, b } = twoViews();
  a.set('k', Buffer.from('one'));
  bringNear(a, 'k');
  const memory = CacheMemory.attach(b.handle.buffer);
  const segment = memory.segments[0] as Segment;
  const probe = new KeyProbe(memory.seed1, memory.seed2);
  probe.load('k');
  segment.acquire();
  for (let n = 0; n < 3; n++) expect(text(a.get('k'))).toBe('one');
  Atomics.add(segment.words, SEGMENT.epoch, 1);
  expect(a.get('k')).toBeUndefined();
  Atomics.sub(segment.words, SEGMENT.epoch, 1);
  bringNear(a, 'k');
  segment.vacate(segment.find(probe));
  // Before the writer has come to its end.
  expect(a.get('k')).toBeUndefined();
  segment.lock.release();
  expect(a.get('k')).toBeUndefined();
});

test('near hits are counted as hits', () => {
  const { a } = twoViews();
  a.set('k', Buffer.from('v'));
  for (let n = 0; n < 500; n++) a.get('k');
  expect(a.stats()).toMatchObject({ hits: 500, misses: 0 });
});

test('values of all sizes come back whole, near or not, while others push them out', () => {
  const sizes = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 1_500 })), {
    minLength: 50,
    maxLength: 400,
  });
  fc.assert(
    fc.property(sizes, fc.constantFrom(0, 1_000, 8_000, 128_000), (writes, nearBytes) => {
      const { a, b } = twoViews(nearBytes);
      const latest = new Map<string, Buffer>();
      for (const [n, [id, size]] of writes.entries()) {
        const key = `key:${id}`;
        const value = Buffer.alloc(size, n);
        (n % 2 === 0 ? a : b).set(key, value);
        latest.set(key, value);
        for (const [known, expected] of latest) {
          const found = a.get(known);
          if (found !== undefined && !found.equals(expected)) return false;
        }
        bringNear(a, key);
      }
      return true;
    }),
    { numRuns: 30 },
  );
});

test('reads by promise of a near key share one, until the key is written', async () => {
  const { a, b, advance } = twoViews();
  expect(a.promised('k')).toBeUndefined();
  a.set('k', Buffer.from('one'), { ttl: 100 });
  expect(text(await a.promised('k'))).toBe('one');
  bringNear(a, 'k');
  const shared = a.promised('k');
  expect(await shared).toBe(a.get('k'));
  expect(a.promised('k')).toBe(shared);
  b.set('k', Buffer.from('two'), { ttl: 100 });
  expect(text(await a.promised('k'))).toBe('two');
  bringNear(a, 'k');
  expect(text(await a.promised('k'))).toBe('two');
  advance(100);
  expect(a.promised('k')).toBeUndefined();
  expect(a.stats()).toMatchObject({ misses: 2 });
});

test('a promise gives what get gives, while rows of the near table change their keys', async () => {
  const { a, b } = twoViews(8_000);
  const write = fc.record({ key: fc.nat({ max: 30 }), size: fc.nat({ max: 600 }), isGone: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 40, maxLength: 200 }), async (writes) => {
      for (const [n, { key, size, isGone }] of writes.entries()) {
        const name = `key:${key}`;
        for (let times = 0; times < 6; times++) await a.promised(name);
        if (isGone) b.delete(name);
        else b.set(name, Buffer.alloc(size, n));
        for (const known of [name, `key:${n % 31}`]) {
          const promised = await a.promised(known);
          if (text(promised) !== text(b.get(known))) return false;
        }
      }
      return true;
    }),
    { numRuns: 20 },
  );
});
