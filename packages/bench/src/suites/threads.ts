import { Worker } from 'node:worker_threads';
import { atLeast } from '../bar.js';
import type { ReadCall } from '../cache/attached-reader-thread.js';
import { type Reader, rateFigures, readRates, scaleOf } from '../cache/read-rates.js';
import { readKey } from '../cache/reader-rounds.js';
import { number } from '../format.js';
import type { Suite } from '../suite.js';

/** What is hot: the bars are for this. */
const HOT_KEYS = 10_000;
/** More than the processor's caches hold: there the memory that all threads share is the limit, for any cache. */
const KEYS = 100_000;
const VALUE = Buffer.alloc(100, 'v');
const BOUND = 1.8;

/**
 * One hot set, read through `attach()` by one thread and by two: whether threads get in each other's way. The
 * controls tell what of that is the machine's.
 */
export const threads: Suite = {
  name: 'threads',
  async run({ zm }, { quick }) {
    for (let from = 0; from < KEYS; from += 1_000) {
      await Promise.all(
        Array.from({ length: 1_000 }, (_, n) => zm.cacheOnly(readKey(from + n), VALUE, { ttl: '1h' })),
      );
    }
    const reader = (call: ReadCall, name: string): Reader => ({
      id: call,
      name,
      start: (task) => {
        const { handle, transferList } = zm.openThread();
        return new Worker(new URL('../cache/attached-reader-thread.js', import.meta.url), {
          workerData: { zmsg: handle, task, call },
          transferList,
        });
      },
    });
    const readers = [reader('get', 'await get'), reader('peek', 'peek')];
    const hot = await readRates(readers, HOT_KEYS, quick);
    const all = await readRates(readers, KEYS, quick);
    const figures = [
      ...rateFigures('threads', `of ${number(HOT_KEYS)} keys`, readers, hot),
      ...rateFigures('threads.many', `of ${number(KEYS)} keys`, readers, all),
    ];
    const bars = readers.map(({ id, name }) =>
      atLeast(
        `threads.${id}`,
        `${name} of ${number(HOT_KEYS)} keys: two threads against one`,
        scaleOf(hot, id),
        BOUND,
      ),
    );
    const title = 'Attached threads reading one hot set, Zipf 0.99';
    return { name: 'threads', title, contests: [], figures, bars };
  },
};
