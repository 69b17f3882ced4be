import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { IdHandle } from '@zmsg/core/ids';
import type { IssuingTask } from './issuing-task.js';

const WARM_UP_MS = 500;

export interface Issuing {
  /** Ids per millisecond of all threads together: one figure per window. */
  rates: number[];
  /** How much of a processor all threads of the process had meanwhile: on a busy machine, too little. */
  processors: number;
}

/** So many threads take all the ids that they get from one generator. */
export async function issuingRate(
  handle: IdHandle,
  threadCount: number,
  { windows, windowMs }: { windows: number; windowMs: number },
): Promise<Issuing> {
  const control = new SharedArrayBuffer(4 * (1 + threadCount));
  const words = new Int32Array(control);
  const threads = Array.from(
    { length: threadCount },
    (_, number) =>
      new Worker(new URL('./issuing-thread.js', import.meta.url), {
        workerData: { handle, control, number } satisfies IssuingTask,
      }),
  );
  const ended = Promise.all(
    threads.map(
      (thread) =>
        new Promise<void>((resolve, reject) => {
          thread.once('error', reject);
          thread.once('exit', () => resolve());
        }),
    ),
  );
  // Within 32 bits for 17 minutes at 2 million a second.
  const count = () => words.reduce((sum, _, at) => (at === 0 ? 0 : sum + Atomics.load(words, at)), 0);
  const measure = async () => {
    const rates: number[] = [];
    while (words.slice(1).some((issued) => issued === 0)) await setTimeout(10);
    await setTimeout(WARM_UP_MS);
    const begunMs = performance.now();
    const cpu = process.cpuUsage();
    for (let window = 0; window < windows; window++) {
      const startMs = performance.now();
      const before = count();
      await setTimeout(windowMs);
      const after = count();
      rates.push((after - before) / (performance.now() - startMs));
    }
    const { user, system } = process.cpuUsage(cpu);
    return { rates, processors: (user + system) / 1000 / (performance.now() - begunMs) };
  };
  try {
    return await Promise.race([measure(), ended.then(() => Promise.reject(new Error('the threads ended')))]);
  } finally {
    Atomics.store(words, 0, 1);
    await ended;
  }
}
