import { workerData } from 'node:worker_threads';
import { attach } from '@zmsg/core';
import { readerRounds } from './reader-rounds.js';
import type { ReaderTask } from './reader-task.js';

/** How an attached thread reads: synchronously, or awaiting each read. */
export type ReadCall = 'peek' | 'get';

const { task, call } = workerData as { task: ReaderTask; call: ReadCall };
const zm = await attach();

const check = (key: string, value: Buffer | undefined) => {
  if (value?.length !== 100) throw new Error(`${key} is missing`);
};
await readerRounds(
  task,
  call === 'peek'
    ? (nextKey, count) => {
        for (let i = 0; i < count; i++) {
          const key = nextKey();
          check(key, zm.peek(key));
        }
      }
    : async (nextKey, count) => {
        for (let i = 0; i < count; i++) {
          const key = nextKey();
          check(key, await zm.get(key));
        }
      },
);
await zm.close();
