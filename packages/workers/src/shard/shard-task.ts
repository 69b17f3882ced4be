import type { MessagePort } from 'node:worker_threads';
import type { ErrorRecord } from '../codec/reply.js';
import type { ShardEvent, ShardStoreOptions } from '../shards.js';
import type { InboxHandle } from './inbox.js';

/** What a shard thread is started with. */
export interface ShardTask {
  shard: number;
  board: SharedArrayBuffer;
  counters: SharedArrayBuffer;
  store: ShardStoreOptions;
  batchSize: number;
  batchIntervalMs: number;
  /** Names this set of shards in `zmsg_progress`. */
  logId: string;
  control: MessagePort;
}

/** From the owner to a shard. */
export type ShardCommand = { type: 'register'; inbox: InboxHandle } | { type: 'stop' };

type Crossing<Event> = Event extends { error: Error } ? Omit<Event, 'error'> & { error: ErrorRecord } : Event;

/** From a shard to the owner: events, with errors as they cross threads. */
export type ShardNotice =
  | { type: 'shard:thread:started' }
  | Crossing<Exclude<ShardEvent, { type: 'shard:thread:failed' }>>;
