import type { MessagePort } from 'node:worker_threads';
import type { Durability } from './durability.js';

/**
 * What a thread needs to write to the shards: shared memory, and a port per shard for replies.
 * Can be posted to the thread that will be the producer; `ports` go into the transfer list.
 */
export interface ProducerHandle {
  readonly id: number;
  readonly board: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
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
