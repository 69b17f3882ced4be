import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { newSeed, resultOf, seeded, startThread } from './threads.js';

/** Of all threads, in all tests of this file. */
const OPERATIONS = Number(process.env.SHARED_LRU_OPERATIONS ?? 1_000_000);
const THREADS = 4;
const TIMEOUT_MS = 60_000 + OPERATIONS / 10;

/** Caches so small that their logs go round all the time, but for the last: that is read near. */
const SIZES = [
  { maxBytes: 16 << 10, keys: 5, maxLength: 200, writes: 50 },
  { maxBytes: 20 << 10, keys: 20, maxLength: 2500, writes: 40 },
  { maxBytes: 64 << 10, keys: 7, maxLength: 7000, writes: 40 },
  { maxBytes: 16 << 10, keys: 4, maxLength: 900, writes: 2 },
  { maxBytes: 1 << 20, keys: 8, maxLength: 300, writes: 3 },
];

const JOBS = [
  { job: 'contend', what: 'threads that write the same keys never read a torn or foreign value' },
  { job: 'readAndWrite', what: 'no read goes back behind a write that was done, or behind itself' },
] as const;

for (const { job, what } of JOBS) {
  test.for(SIZES)(`${what}: %o`, { timeout: TIMEOUT_MS }, async (size) => {
    const repairs = await run(job, size, OPERATIONS / SIZES.length / JOBS.length, {});
    expect(repairs).toBe(0);
  });
}

// As for a thread that was stopped for longer than others waited: when it goes on its lock is gone.
for (const { job, what } of JOBS) {
  test(`${what}, although locks are taken from the living`, { timeout: TIMEOUT_MS }, async () => {
    let repairs = 0;
    for (const size of SIZES) {
      const threadIds = new Int32Array(new SharedArrayBuffer(4 * THREADS));
      const operations = OPERATIONS / SIZES.length / JOBS.length / 5;
      repairs += await run(job, size, operations, { threadIds, steals: 10, naps: true });
    }
    expect(repairs).toBeGreaterThan(0);
  });
}

async function run(
  job: string,
  size: (typeof SIZES)[number],
  operations: number,
  more: { threadIds?: Int32Array; steals?: number; naps?: boolean },
): Promise<number> {
  const seed = newSeed();
  return await seeded(seed, async () => {
    const cache = SharedLRU.create({ maxBytes: size.maxBytes, bufferItems: 10 });
    const begun = new Int32Array(new SharedArrayBuffer(4 * size.keys));
    const done = new Int32Array(new SharedArrayBuffer(4 * size.keys));
    const perThread = Math.ceil(operations / THREADS);
    const threads = Array.from({ length: THREADS }, (_, me) => {
      const shared = { ...size, ...more, me, seed, threads: THREADS, begun, done };
      const thread = startThread(job, cache.handle, { ...shared, operations: perThread });
      if (more.threadIds !== undefined) Atomics.store(more.threadIds, me, thread.threadId);
      return thread;
    });
    const hits = await Promise.all(threads.map(resultOf));
    for (const count of hits) expect(count).toBeGreaterThan(0);
    expect(checkStructure(cache.handle)).toEqual([]);
    return cache.stats().repairs;
  });
}

test('a thread that attaches sees what another has set, and the other way round', async () => {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  cache.set('greeting', Buffer.from('hello'));
  expect(await resultOf(startThread('get', cache.handle, { key: 'greeting' }))).toBe('hello');
  expect(await resultOf(startThread('get', cache.handle, { key: 'none' }))).toBeUndefined();
});
