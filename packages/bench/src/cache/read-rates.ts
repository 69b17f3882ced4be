import type { Worker } from 'node:worker_threads';
import { type ReaderTask, ROUND_THREADS } from './reader-task.js';

const READS = 1_000_000;
const WARM_UP = 5;

/**
 * Reads per second of one thread and of two, in turns; the median of `rounds`. `start` starts a thread that
 * does `readerRounds` with its task.
 */
export async function readRates(
  start: (task: ReaderTask) => Worker,
  keys: number,
  rounds: number,
): Promise<{ one: number; two: number }> {
  const control = new SharedArrayBuffer(64);
  const words = new Int32Array(control);
  const threads = [0, 1].map((number) => start({ keys, control, reads: READS, number }));
  const failure = new Promise<never>((_, reject) => {
    for (const thread of threads) thread.on('error', reject);
  });
  const allDone = async () => {
    for (;;) {
      const done = Atomics.load(words, 1);
      if (done >= threads.length) return;
      const wait = Atomics.waitAsync(words, 1, done, 1_000);
      if (wait.async) await Promise.race([wait.value, failure]);
    }
  };
  let round = 0;
  const run = async (count: number) => {
    await allDone();
    Atomics.store(words, 1, 0);
    round += ROUND_THREADS - (round % ROUND_THREADS) + count;
    const start = performance.now();
    Atomics.store(words, 0, round);
    Atomics.notify(words, 0);
    await allDone();
    return (count * READS * 1_000) / (performance.now() - start);
  };
  const rates: { one: number[]; two: number[] } = { one: [], two: [] };
  // Until both have near what they read most.
  for (let i = 0; i < WARM_UP; i++) await run(2);
  for (let i = 0; i < rounds; i++) {
    rates.one.push(await run(1));
    rates.two.push(await run(2));
  }
  Atomics.store(words, 0, -1);
  Atomics.notify(words, 0);
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;
  return { one: median(rates.one), two: median(rates.two) };
}
