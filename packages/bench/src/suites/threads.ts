import { Worker } from 'node:worker_threads';
import type { ReadCall } from '../cache/attached-reader-thread.js';
import { readRates } from '../cache/read-rates.js';
import { readKey } from '../cache/reader-rounds.js';
import type { ReaderTask } from '../cache/reader-task.js';
import { number, times } from '../format.js';
import type { Figure, Suite, SuiteResult } from '../suite.js';

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
    const bars: SuiteResult['bars'] = [];
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
      figures.push({ name: `${name}, one thread`, value: `${number(one)} reads/s` });
      figures.push({ name: `${name}, two threads`, value: `${number(two)} reads/s` });
      bars.push({
        name: `${name}: two threads against one`,
        target: `≥ ${BOUND} ×`,
        measured: times(two / one),
        met: two / one >= BOUND,
      });
    }
    return { title: 'Attached threads reading one hot set, Zipf 0.99 over 100,000 keys', figures, bars };
  },
};
