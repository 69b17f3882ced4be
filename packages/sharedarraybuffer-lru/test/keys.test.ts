import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { KeyProbe } from '../dist/key-probe.js';
import { HEADER } from '../dist/layout.js';

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

test('zeros at the end of a key count', () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  const keys = ['a', 'a\0', 'a\0\0', 'a\0\0\0', 'a\0\0\0\0', '\0', '\0\0'];
  for (const key of keys) cache.set(key, Buffer.from(key));
  for (const key of keys) expect(cache.get(key)?.toString()).toBe(key);
  expect(cache.stats().entries).toBe(keys.length);
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

test('each cache has a seed of its own', () => {
  const probes = [1, 2].map(() => probeOf(SharedLRU.create({ maxBytes: 16 << 10 })));
  for (const probe of probes) probe.load('key');
  expect(probes[0]?.h1 === probes[1]?.h1 && probes[0]?.h2 === probes[1]?.h2).toBe(false);
});
