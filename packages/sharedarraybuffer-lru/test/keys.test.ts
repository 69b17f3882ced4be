import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CacheMemory } from '../dist/cache-memory.js';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { KeyProbe } from '../dist/key-probe.js';
import { HEADER } from '../dist/layout.js';
import type { Segment } from '../dist/segment.js';

function probeOf(cache: SharedLRU): KeyProbe {
  const header = new Int32Array(cache.handle.buffer, 0, 64);
  return new KeyProbe(header[HEADER.seed1] as number, header[HEADER.seed2] as number);
}

test('keys of all Unicode planes are kept apart and come back as they were', () => {
  const cache = SharedLRU.create({ maxBytes: 8 << 20 });
  const keys: string[] = [];
  for (let plane = 0; plane <= 16; plane += 1) {
    for (const low of [0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff]) {
      keys.push(
        String.fromCodePoint(plane * 0x10000 + low),
        `a${String.fromCodePoint(plane * 0x10000 + low)}b`,
      );
    }
  }
  for (const key of keys) cache.set(key, Buffer.from(key));
  for (const key of keys) expect(cache.get(key)?.toString()).toBe(key);
  expect(new Set(cache.keys())).toEqual(new Set(keys));
  expect(checkStructure(cache.handle)).toEqual([]);
});

test('any well-formed string of 1 to 512 bytes is a key, encoded as TextEncoder does', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  const probe = probeOf(cache);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 600, size: 'max' }), (key) => {
      const encoded = new TextEncoder().encode(key);
      if (encoded.length > 512) {
        expect(() => cache.set(key, encoded)).toThrow(RangeError);
        return;
      }
      cache.set(key, encoded);
      expect(cache.get(key)?.toString()).toBe(key);
      probe.load(key);
      expect(Buffer.from(probe.bytes.slice(0, probe.byteLength)).equals(encoded)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('512 bytes are a key, 513 are not', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  for (const unit of ['x', 'ä', '😀']) {
    const key = unit.repeat(512 / Buffer.byteLength(unit));
    expect(cache.set(key, Buffer.from(unit))).toBe(true);
    expect(cache.get(key)?.toString()).toBe(unit);
    for (const call of [
      () => cache.get(`${key}x`),
      () => cache.set(`x${key}`, Buffer.alloc(0)),
      () => cache.delete(`${key}x`),
      () => cache.has(`${key}ä`),
      () => cache.remainingTtl(key + key),
      () => cache.fillToken('ä'.repeat(100_000)),
    ]) {
      expect(call).toThrow(RangeError);
      expect(call).toThrow('at most 512 bytes');
    }
  }
});

test('an empty key, a lone surrogate and what is no string are named in the error', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  expect(() => cache.get('')).toThrow(new RangeError('the key must not be empty'));
  const lone = ['\ud800', 'a\udc00', '\ud83d', '\ude00\ud83d', 'x\ud83dx', `ä${'\udbff'}\udbff`];
  for (const key of lone)
    expect(() => cache.set(key, Buffer.alloc(1)), key).toThrow(/lone surrogate at index \d/);
  for (const key of [undefined, null, 1, Buffer.from('a'), {}, Symbol('s')]) {
    expect(() => cache.get(key as string)).toThrow(TypeError);
    expect(() => cache.get(key as string)).toThrow('the key must be a string');
  }
  expect(cache.stats().entries).toBe(0);
});

test('any sequence of UTF-16 units is a key if it is well formed, and a TypeError if it is not', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  const unit = fc.oneof(
    fc.integer({ min: 0, max: 0xffff }),
    fc.integer({ min: 0xd800, max: 0xdfff }),
    fc.constantFrom(0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xffff),
  );
  fc.assert(
    fc.property(fc.array(unit, { minLength: 1, maxLength: 40 }), (units) => {
      const key = String.fromCharCode(...units);
      const value = Buffer.from(key);
      // What UTF-8 cannot say does not come back.
      if (value.toString() === key) {
        expect(cache.set(key, value)).toBe(true);
        expect(cache.get(key)?.equals(value)).toBe(true);
        expect(cache.delete(key)).toBe(true);
        return;
      }
      for (const call of [
        () => cache.get(key),
        () => cache.set(key, value),
        () => cache.has(key),
        () => cache.remainingTtl(key),
        () => cache.delete(key),
        () => cache.fillToken(key),
        () => cache.fill(key, value, 0),
      ]) {
        expect(call).toThrow(TypeError);
        expect(call).toThrow(/lone surrogate at index \d/);
      }
    }),
    { numRuns: 3000 },
  );
  expect(cache.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
});

/** Each has a value of its own, and each that is deleted takes no other along. */
function keptApart(keys: readonly string[]): void {
  const cache = SharedLRU.create({ maxBytes: 8 << 20 });
  for (const key of keys) cache.set(key, Buffer.from(`of ${key}`));
  expect(cache.stats().entries).toBe(keys.length);
  expect(new Set(cache.keys())).toEqual(new Set(keys));
  for (const key of keys) {
    expect(cache.get(key)?.toString()).toBe(`of ${key}`);
    expect(cache.delete(key)).toBe(true);
    expect(cache.has(key)).toBe(false);
  }
  expect(cache.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
  expect(checkStructure(cache.handle)).toEqual([]);
}

test('keys with U+0000 anywhere are kept apart, at the end as well', () => {
  const keys: string[] = [];
  for (let length = 1; length <= 9; length += 1) {
    for (let bits = 0; bits < 2 ** length; bits += 1) {
      keys.push(bits.toString(2).padStart(length, '0').replaceAll('0', '\0').replaceAll('1', 'a'));
    }
  }
  keptApart(keys);
});

test('keys that are the beginning of each other are kept apart', () => {
  for (const text of ['x'.repeat(512), '\0'.repeat(512), 'user:1'.repeat(80), 'ä😀–'.repeat(50)]) {
    const points = [...text];
    const keys = points.map((_, i) => points.slice(0, i + 1).join(''));
    keptApart(keys.filter((key) => Buffer.byteLength(key) <= 512));
  }
});

test('keys with equal tags in one bucket do not give each other their values', () => {
  const cache = SharedLRU.create({ maxBytes: 16 << 10 });
  const probe = probeOf(cache);
  const byTag = new Map<number, string>();
  const pairs: [string, string][] = [];
  for (let i = 0; i < 600_000; i += 1) {
    const key = `k${i}`;
    probe.load(key);
    const other = byTag.get(probe.h1);
    if (other === undefined) byTag.set(probe.h1, key);
    else pairs.push([other, key]);
  }
  expect(pairs.length).toBeGreaterThan(5);
  for (const [one, two] of pairs) {
    cache.clear();
    cache.set(one, Buffer.from(one));
    expect(cache.get(two)).toBeUndefined();
    expect(cache.delete(two)).toBe(false);
    cache.set(two, Buffer.from(two));
    expect(cache.get(one)?.toString()).toBe(one);
    expect(cache.get(two)?.toString()).toBe(two);
    expect(cache.delete(one)).toBe(true);
    expect(cache.get(two)?.toString()).toBe(two);
    expect(checkStructure(cache.handle)).toEqual([]);
  }
});

/** An empty cache whose seed is known, as one that was guessed. */
function withSeed(seed1: number, seed2: number): SharedLRU {
  const { handle } = SharedLRU.create({ maxBytes: 16 << 10 });
  new Int32Array(handle.buffer).set([seed1, seed2], HEADER.seed1);
  return SharedLRU.attach(handle);
}

/** How many of the keys the cache keeps: where they collide, only as many as their two buckets hold. */
function keptOf(cache: SharedLRU, keys: readonly string[]): number {
  for (const key of keys) cache.set(key, Buffer.from(key));
  for (const key of keys) expect([key, undefined]).toContain(cache.get(key)?.toString());
  expect(checkStructure(cache.handle)).toEqual([]);
  return cache.stats().entries;
}

test('keys that were chosen to collide under one seed are spread by any other', () => {
  const guessed = withSeed(0x12345678, 0x1abcdef0);
  const probe = probeOf(guessed);
  const segment = CacheMemory.attach(guessed.handle.buffer).segments[0] as Segment;
  const buckets = new Map<string, string[]>();
  let worst: string[] = [];
  for (let i = 0; worst.length < 60; i += 1) {
    probe.load(`user:${i}`);
    const both = [segment.bucket1(probe.h2), segment.bucket2(probe.h1, probe.h2)].join();
    const keys = buckets.get(both) ?? [];
    buckets.set(both, keys);
    keys.push(`user:${i}`);
    if (keys.length > worst.length) worst = keys;
  }
  // Of two buckets, or of one if both are the same.
  expect(keptOf(guessed, worst)).toBeLessThanOrEqual(14);
  for (let seed = 1; seed <= 50; seed += 1) {
    expect(keptOf(withSeed(Math.imul(seed, 0x9e3779b1), seed), worst)).toBeGreaterThan(50);
  }
});

test('each cache has a seed of its own', () => {
  const probes = [1, 2].map(() => probeOf(SharedLRU.create({ maxBytes: 16 << 10 })));
  for (const probe of probes) probe.load('key');
  expect(probes[0]?.h1 === probes[1]?.h1 && probes[0]?.h2 === probes[1]?.h2).toBe(false);
});
