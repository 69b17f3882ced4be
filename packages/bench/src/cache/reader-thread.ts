import { workerData } from 'node:worker_threads';
import { type SharedCacheHandle, SharedLRU } from 'sharedarraybuffer-lru';
import { readerRounds } from './reader-rounds.js';
import type { ReaderTask } from './reader-task.js';

const { handle, task } = workerData as { handle: SharedCacheHandle; task: ReaderTask };
const cache = SharedLRU.attach(handle);

await readerRounds(task, (nextKey, count) => {
  for (let i = 0; i < count; i++) {
    const key = nextKey();
    if (cache.get(key)?.length !== 100) throw new Error(`${key} is missing`);
  }
});
