import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { resultOf, startThread } from './threads.js';

const OPERATIONS = Number(process.env.SHARED_LRU_OPERATIONS ?? 1_000_000);
const THREADS = 4;
const TIMEOUT_MS = 60_000 + OPERATIONS / 10;

const SIZES = [
  { maxBytes: 16 << 10, keys: 5, maxLength: 200 },
  { maxBytes: 20 << 10, keys: 20, maxLength: 2500 },
  { maxBytes: 1 << 20, keys: 8, maxLength: 300 },
];

test.for(SIZES)(
  'threads that write the same keys never read a torn or foreign value: %o',
  {
    timeout: TIMEOUT_MS,
  },
  async (size) => {
    const cache = SharedLRU.create({ maxBytes: size.maxBytes, bufferItems: 10 });
    const operations = Math.ceil(OPERATIONS / SIZES.length / THREADS / 2);
    const threads = Array.from({ length: THREADS }, (_, seed) =>
      startThread('contend', cache.handle, { ...size, seed, operations }),
    );
    const hits = await Promise.all(threads.map(resultOf));
    for (const count of hits) expect(count).toBeGreaterThan(0);
    expect(checkStructure(cache.handle)).toEqual([]);
    expect(cache.stats().refused).toBe(0);
  },
);

test.for(SIZES)(
  'no read goes back behind a write that was done, or behind itself: %o',
  {
    timeout: TIMEOUT_MS,
  },
  async (size) => {
    const cache = SharedLRU.create({ maxBytes: size.maxBytes });
    const operations = Math.ceil(OPERATIONS / SIZES.length / THREADS / 2);
    const begun = new Int32Array(new SharedArrayBuffer(4 * size.keys));
    const done = new Int32Array(new SharedArrayBuffer(4 * size.keys));
    const threads = Array.from({ length: THREADS }, (_, me) =>
      startThread('readAndWrite', cache.handle, { ...size, me, threads: THREADS, operations, begun, done }),
    );
    const hits = await Promise.all(threads.map(resultOf));
    for (const count of hits) expect(count).toBeGreaterThan(0);
    expect(checkStructure(cache.handle)).toEqual([]);
  },
);

test('a thread that attaches sees what another has set, and the other way round', async () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  cache.set('greeting', Buffer.from('hello'));
  expect(await resultOf(startThread('get', cache.handle, { key: 'greeting' }))).toBe('hello');
  expect(await resultOf(startThread('get', cache.handle, { key: 'none' }))).toBeUndefined();
});
