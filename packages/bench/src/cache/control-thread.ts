import { workerData } from 'node:worker_threads';
import { LRUCache } from 'lru-cache';
import type { ControlTask } from './control.js';
import { readerRounds, readKey } from './reader-rounds.js';

const VALUE_BYTES = 100;
/** About as long as a read of a cache takes. */
const SPINS = 50;

const { task, control } = workerData as ControlTask;

if (control === 'spin') await readerRounds(task, spin);
else {
  const cache =
    control === 'map'
      ? new Map<string, Buffer>()
      : new LRUCache<string, Buffer>({ max: task.keys, ttl: 3_600_000 });
  for (let i = 0; i < task.keys; i++) cache.set(readKey(i), Buffer.alloc(VALUE_BYTES, 'v'));
  await readerRounds(task, (nextKey, count) => {
    for (let i = 0; i < count; i++) {
      const key = nextKey();
      if (cache.get(key)?.length !== VALUE_BYTES) throw new Error(`${key} is missing`);
    }
  });
}

/** Touches no memory. */
function spin(_nextKey: () => string, count: number): void {
  let state = 1;
  for (let i = 0; i < count; i++) {
    for (let n = 0; n < SPINS; n++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
    }
  }
  // Never so from a seed that is not zero; but the loop cannot be left out.
  if (state === 0) throw new Error('xorshift reached zero');
}
