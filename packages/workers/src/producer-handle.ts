import type { MessagePort } from 'node:worker_threads';
import type { Durability } from './durability.js';

/** What a thread needs to write to the shards: shared memory, and a port per shard for replies. */
export interface ProducerHandle {
  /** Never given twice by one owner: the log tells producers apart by it. */
  readonly id: number;
  readonly board: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly account: SharedArrayBuffer;
  /** By shard. */
  readonly rings: readonly SharedArrayBuffer[];
  /** By shard. */
  readonly ports: readonly MessagePort[];
  readonly pendingMax: number;
  /** In units of the board. */
  readonly pendingMaxUnits: number;
  readonly durability: Durability;
  readonly onFull: 'wait' | 'reject';
}

/**
 * What another thread needs: opaque, to be handed to `connectShards` there. Goes into `workerData` or
 * `postMessage`, with the link's `transferList`.
 */
export interface AttachHandle extends ProducerHandle {
  /** To the owner of the shards. Its end says that the thread writes no more. */
  readonly control: MessagePort;
}
