import { workerData } from 'node:worker_threads';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { accessOrder } from './access-order.js';
import { type ReaderTask, ROUND_THREADS } from './reader-task.js';

const { handle, keys, control, reads, number } = workerData as ReaderTask;
const words = new Int32Array(control);
const cache = SharedLRU.attach(handle);
const order = accessOrder(keys, 0.99);
const names = Array.from({ length: keys }, (_, i) => `user:profile:${1_000_000 + i}`);

let round = 0;
let at = number * 1_000;
for (;;) {
  Atomics.add(words, 1, 1);
  Atomics.notify(words, 1);
  Atomics.wait(words, 0, round);
  round = Atomics.load(words, 0);
  if (round < 0) break;
  if (number >= round % ROUND_THREADS) continue;
  for (let i = 0; i < reads; i++) {
    const key = names[order[at++ & (order.length - 1)] as number] as string;
    if (cache.get(key)?.length !== 100) throw new Error(`${key} is missing`);
  }
}
