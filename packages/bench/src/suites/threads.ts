import { Worker } from 'node:worker_threads';
import { atLeast } from '../bar.js';
import type { ReadCall } from '../cache/attached-reader-thread.js';
import { readRates } from '../cache/read-rates.js';
import { readKey } from '../cache/reader-rounds.js';
import type { ReaderTask } from '../cache/reader-task.js';
import type { Bar, Figure } from '../result.js';
import type { Suite } from '../suite.js';

const KEYS = 100_000;
const VALUE = Buffer.alloc(100, 'v');
const BOUND = 1.8;

/** One hot set, read through `attach()` by one thread and by two: whether threads get in each other's way. */
export const threads: Suite = {
  name: 'threads',
  async run({ zm }, { quick }) {
    for (let from = 0; from < KEYS; from += 1_000) {
      await Promise.all(
        Array.from({ length: 1_000 }, (_, n) => zm.cacheOnly(readKey(from + n), VALUE, { ttl: '1h' })),
      );
    }
    const figures: Figure[] = [];
    const bars: Bar[] = [];
    for (const [call, name] of [
      ['get', 'await get'],
      ['peek', 'peek'],
    ] as const satisfies [ReadCall, string][]) {
      const start = (task: ReaderTask) => {
        const { handle, transferList } = zm.openThread();
        return new Worker(new URL('../cache/attached-reader-thread.js', import.meta.url), {
          workerData: { zmsg: handle, task, call },
          transferList,
        });
      };
      const { one, two } = await readRates(start, KEYS, quick ? 3 : 9);
      figures.push(
        { id: `threads.${call}.1`, name: `${name}, one thread`, value: one, unit: '/s' },
        { id: `threads.${call}.2`, name: `${name}, two threads`, value: two, unit: '/s' },
      );
      bars.push(atLeast(`threads.${call}`, `${name}: two threads against one`, two / one, BOUND));
    }
    const title = 'Attached threads reading one hot set, Zipf 0.99 over 100,000 keys';
    return { name: 'threads', title, contests: [], figures, bars };
  },
};
