import type { ThreadHandle } from '@zmsg/core';

/** What a thread of `LikingThreads` is given. */
export interface LikingTask {
  /** Of an engine, by which it then likes; undefined: by hand. */
  zmsg?: ThreadHandle;
  dsn: string;
  redisAddr: string;
  /** Of its pool. */
  connections: number;
  table: string;
  /** Likes of one round. */
  count: number;
  width: number;
}

/** Numbers by which a thread and its starter talk: `READY` once, then `ROUND` and its answer `DONE`, `END` at last. */
export const READY = 0;
export const ROUND = 1;
export const DONE = 2;
export const END = 3;
