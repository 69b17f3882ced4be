import { accessOrder } from './access-order.js';
import { type ReaderTask, ROUND_THREADS } from './reader-task.js';

/** The keys of `readRates`. */
export function readKey(i: number): string {
  return `user:profile:${1_000_000 + i}`;
}

/** The life of a thread of `readRates`: `read` reads the next `count` keys in each round that it takes part in. */
export async function readerRounds(
  { keys, control, reads, number }: ReaderTask,
  read: (nextKey: () => string, count: number) => void | Promise<void>,
): Promise<void> {
  const words = new Int32Array(control);
  // No longer than a round needs it: to draw a million takes as long as some rounds of a quick run.
  const order = accessOrder(keys, 0.99, 2 ** Math.ceil(Math.log2(reads)));
  const names = Array.from({ length: keys }, (_, i) => readKey(i));
  let at = number * 1_000;
  const nextKey = () => names[order[at++ & (order.length - 1)] as number] as string;
  let round = 0;
  for (;;) {
    Atomics.add(words, 1, 1);
    Atomics.notify(words, 1);
    Atomics.wait(words, 0, round);
    round = Atomics.load(words, 0);
    if (round < 0) return;
    if (number < round % ROUND_THREADS) await read(nextKey, reads);
  }
}
