import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { works } from './full-cache.js';
import { newSeed, resultOf, seeded, startThread } from './threads.js';
import { randomFrom } from './traffic.mjs';

const OPERATIONS = Number(process.env.SHARED_LRU_OPERATIONS ?? 1_000_000);

/** Victims of each kind; the caches in between are read and written by all who live. */
const VICTIMS = Math.min(500, Math.max(20, OPERATIONS / 50_000));

test.for([{ recover: true }, { recover: false }])(
  'threads end at any moment, and the others go on: %o',
  { timeout: 120_000 + VICTIMS * 1000 },
  async ({ recover }) => {
    const seed = newSeed();
    await seeded(seed, async () => {
      const random = randomFrom(seed);
      const size = { maxBytes: 20 << 10, keys: 20, maxLength: 2500, writes: 95 };
      const cache = SharedLRU.create({ maxBytes: size.maxBytes });
      const control = new Int32Array(new SharedArrayBuffer(8));
      const faults: unknown[] = [];
      let started = 0;
      const start = (): Worker => {
        const options = { ...size, seed, me: started, operations: 2 ** 31, control, naps: true };
        started += 1;
        return startThread('contend', cache.handle, options).on('error', (error) => faults.push(error));
      };
      const threads = Array.from({ length: 3 }, start);
      for (let victim = 0; victim < VICTIMS && faults.length === 0; victim += 1) {
        await operations(control, 100 + random(400));
        const which = random(threads.length);
        const worker = threads[which] as Worker;
        const { threadId } = worker;
        await worker.terminate();
        if (recover) cache.recover(threadId);
        threads[which] = start();
      }
      const results = Promise.all(threads.map(resultOf));
      Atomics.store(control, 0, 1);
      await results;
      expect(faults).toEqual([]);
      // The last to end may have held the lock, without anyone who came after it.
      cache.set('next', Buffer.from('value'));
      expect(checkStructure(cache.handle)).toEqual([]);
      // Most of them are in a write when they end, or nothing was tested.
      expect(cache.stats().repairs).toBeGreaterThan(0);
      works(cache);
    });
  },
);

/** Until all threads together have done so many more. */
async function operations(control: Int32Array, count: number): Promise<void> {
  const until = Atomics.load(control, 1) + count;
  for (let now = Atomics.load(control, 1); now < until; now = Atomics.load(control, 1)) {
    const waiting = Atomics.waitAsync(control, 1, now, 30_000);
    if ((await waiting.value) === 'timed-out') throw new Error('no thread goes on');
  }
}
