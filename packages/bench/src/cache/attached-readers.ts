import { Worker } from 'node:worker_threads';
import type { ZMsg } from '@zmsg/core';
import { inFlight } from '../in-flight.js';
import type { ReadCall } from './attached-reader-thread.js';
import type { Reader } from './read-rates.js';
import { readKey } from './reader-rounds.js';

const CALLS: readonly [ReadCall, string][] = [
  ['get', 'await get'],
  ['peek', 'peek'],
];
const VALUE = Buffer.alloc(100, 'v');
const AT_ONCE = 1_000;

/** Threads that are attached to `zm` and read the first keys of `readRates`, by each call. */
export function attachedReaders(zm: ZMsg): Reader[] {
  return CALLS.map(([call, name]) => ({
    id: call,
    name,
    start: (task) => {
      const { handle, transferList } = zm.openThread();
      return new Worker(new URL('./attached-reader-thread.js', import.meta.url), {
        workerData: { zmsg: handle, task, call },
        transferList,
      });
    },
  }));
}

/** What they read. */
export async function fillReadKeys(zm: ZMsg, keys: number): Promise<void> {
  await inFlight(keys, AT_ONCE, (n) => zm.cacheOnly(readKey(n), VALUE, { ttl: '1h' }));
}
