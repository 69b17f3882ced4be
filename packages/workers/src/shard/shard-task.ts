import type { MessagePort } from 'node:worker_threads';
import type { ErrorRecord } from '../codec/reply.js';
import type { ShardEvent, ShardStoreOptions } from '../shards.js';
import type { InboxHandle } from './inbox.js';
import type { RingNotice } from './ring-keeper.js';

/** Where a shard's log is, and how it is written. */
export interface ShardLogTask {
  /** Directory of all shards' logs. */
  dir: string;
  logId: string;
  /** Random per process. */
  run: number;
  syncIntervalMs: number;
  segmentBytes: number | undefined;
  /** Another process may have it open: it is read, and nothing is written or deleted. */
  isForeign: boolean;
}

/** What a shard thread is started with. */
export interface ShardTask {
  shard: number;
  board: SharedArrayBuffer;
  counters: SharedArrayBuffer;
  store: ShardStoreOptions;
  batchSize: number;
  batchIntervalMs: number;
  log: ShardLogTask;
  /** The progress mark, taken over by the owner; undefined: the thread takes the place of one that died, and takes it itself. */
  mark: { epoch: bigint; position: bigint } | undefined;
  inboxes: InboxHandle[];
  control: MessagePort;
}

/** From the owner to a shard. */
export type ShardCommand =
  | { type: 'register'; inbox: InboxHandle }
  /** The producer writes no more: its ring is to be read to the end, and forgotten. */
  | { type: 'orphan'; producer: number }
  | { type: 'stop' };

type Crossing<Event> = Event extends { error: Error } ? Omit<Event, 'error'> & { error: ErrorRecord } : Event;

/** From a shard to the owner: events, with errors as they cross threads. */
export type ShardNotice =
  | { type: 'shard:thread:started' }
  /** Said before it is started: they were read from the log, and are pending again. */
  | { type: 'shard:puts:recovered'; keys: string[] }
  | RingNotice
  /** Nothing of an orphan is held here any more. */
  | { type: 'shard:producer:released'; producer: number }
  | Crossing<Exclude<ShardEvent, { type: 'shard:thread:failed' | 'shard:thread:restarted' }>>;

/** How a shard thread ended by itself: with an error that it cannot go on from, or because it was told to. */
export type ShardOutcome = { error: ErrorRecord | undefined };
