import { expect, test } from 'vitest';
import { SharedLRU } from '../dist/index.js';
import { HEADER } from '../dist/layout.js';

test('a handle that is not of a cache is a TypeError that says why', () => {
  const { buffer, bufferItems } = SharedLRU.create({ maxBytes: 16 << 10 }).handle;
  const attach = (handle: unknown) => () => SharedLRU.attach(handle as typeof SharedLRU.prototype.handle);
  expect(attach(undefined)).toThrow(TypeError);
  expect(attach({})).toThrow('must be a SharedArrayBuffer, not undefined');
  expect(attach({ buffer: new ArrayBuffer(20_000), bufferItems })).toThrow('must be a SharedArrayBuffer');
  expect(attach({ buffer: new SharedArrayBuffer(10), bufferItems })).toThrow('too short');
  expect(attach({ buffer: new SharedArrayBuffer(20_000), bufferItems })).toThrow('wrong magic number');
  expect(attach({ buffer })).toThrow('bufferItems');
  const longer = new SharedArrayBuffer(buffer.byteLength + 8);
  new Uint8Array(longer).set(new Uint8Array(buffer));
  expect(attach({ buffer: longer, bufferItems })).toThrow(TypeError);
  new Int32Array(buffer)[HEADER.version] = 99;
  expect(attach({ buffer, bufferItems })).toThrow('layout version 99');
});

test('a handle survives a structured clone', () => {
  const cache = SharedLRU.create({ maxBytes: 16 << 10 });
  cache.set('key', Buffer.from('value'));
  expect(SharedLRU.attach(structuredClone(cache.handle)).get('key')?.toString()).toBe('value');
});

test.for<[string, object]>([
  ['maxBytes', {}],
  ['maxBytes', { maxBytes: '1' }],
  ['maxBytes', { maxBytes: 1000 }],
  ['maxBytes', { maxBytes: 20_000.5 }],
  ['maxBytes', { maxBytes: Number.NaN }],
  ['maxBytes', { maxBytes: 2 ** 50 }],
  ['counters', { maxBytes: 20_000, counters: 0 }],
  ['counters', { maxBytes: 20_000, counters: Number.POSITIVE_INFINITY }],
  ['bufferItems', { maxBytes: 20_000, bufferItems: 0 }],
  ['bufferItems', { maxBytes: 20_000, bufferItems: 1e9 }],
  ['maxValueBytes', { maxBytes: 20_000, maxValueBytes: -1 }],
  ['maxValueBytes', { maxBytes: 20_000, maxValueBytes: 19_000 }],
  ['clock', { maxBytes: 20_000, clock: 5 }],
])('a wrong %s is named', ([name, options]) => {
  expect(() => SharedLRU.create(options as { maxBytes: number })).toThrow(name);
});

test('every value up to maxValueBytes fits, whatever the size of the cache', () => {
  for (const [maxBytes, maxValueBytes] of [
    [16 << 10, 8000],
    [1 << 20, 600_000],
    [64 << 20, 5_000_000],
    [20_000, 0],
  ] as const) {
    const cache = SharedLRU.create({ maxBytes, maxValueBytes });
    for (let i = 0; i < 20; i += 1) {
      const key = String(i).padEnd(512, 'k');
      expect(cache.set(key, Buffer.alloc(maxValueBytes, i))).toBe(true);
      expect(cache.get(key)?.equals(Buffer.alloc(maxValueBytes, i))).toBe(true);
    }
    expect(cache.set('key', Buffer.alloc(maxValueBytes + 1))).toBe(false);
  }
});
