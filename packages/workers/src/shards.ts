import type { ReadTask, WriteTask } from './task.js';

/** How the shards reach PostgreSQL. */
export interface ShardStoreOptions {
  /** A `pg` connection string. */
  connectionString: string;
  /** Connections that all shards together may hold at one time, at least 1. */
  maxConnections: number;
  /** A connection older than this is replaced before its next flush. */
  maxLifetimeMs: number;
  /**
   * One session behind all connections (PGlite): no named prepared statements, no session state.
   */
  singleSession: boolean;
}

export interface ShardsOptions {
  store: ShardStoreOptions;
  /** Worker threads. @default 16 */
  shards: number;
  /** Pending groups (rows to write) at which a shard flushes. @default 1000 */
  batchSize: number;
  /** Longest time from the first pending operation to the start of its flush, milliseconds. @default 5000 */
  batchIntervalMs: number;
  /** Bytes of each ring (one per producer thread and shard), a power of two. @default 1 MiB */
  ringBytes: number;
  /** Operations not yet committed, over all shards, at which producers are pushed back. @default 1_000_000 */
  pendingMax: number;
  /**
   * A write for which there is no room waits for it, or rejects with `BackpressureError`. @default 'wait'
   */
  onFull: 'wait' | 'reject';
  /** What happens outside of a call's promise. Must not throw. */
  onEvent: (event: ShardEvent) => void;
}

/** Typed events, `area:thing:state`. */
export type ShardEvent =
  | {
      type: 'flush:transaction:committed';
      shard: number;
      groups: number;
      operations: number;
      durationMs: number;
    }
  | { type: 'flush:transaction:failed'; shard: number; attempt: number; error: Error }
  /** Tasks whose condition matched no row. */
  | {
      type: 'flush:task:unmatched';
      shard: number;
      table: string;
      column: string;
      where: string;
      operations: number;
    }
  /**
   * Tasks of one column (both names empty for statements of the caller's) that PostgreSQL refused for
   * good with one SQLSTATE: they were left out of the flush that committed, and are in
   * `zmsg_dead_letters`. `error` is that of the first; undefined SQLSTATE: PostgreSQL was never asked.
   */
  | {
      type: 'flush:task:refused';
      shard: number;
      table: string;
      column: string;
      sqlState: string | undefined;
      error: Error;
      operations: number;
      deadLetters: number;
    }
  /** A task whose operand is no number or no JSON: it was taken, and becomes a dead letter. */
  | { type: 'shard:task:refused'; shard: number; table: string; column: string; error: Error }
  | { type: 'shard:thread:failed'; shard: number; error: Error };

/** Given for an accepted write. */
export interface Receipt {
  /** Resolves when the operation is as durable as its level says. */
  readonly durable: Promise<void>;
  /** Resolves when the operation is committed in PostgreSQL. */
  readonly applied: Promise<void>;
}

export interface ShardsStats {
  /** Operations taken by a shard. */
  operations: number;
  /** Operations that were committed. */
  applied: number;
  /** Operations in rings and in memory, not yet committed. */
  pendingOperations: number;
  /** Groups (rows to write) not yet committed. */
  pendingGroups: number;
  flushes: number;
  flushFailures: number;
  /** Tasks whose condition matched no row (`zmsg_flush_unmatched_total`). */
  unmatched: number;
  /** Tasks (operations folded into one count once) that were refused for good. */
  deadLetters: number;
  /** Data-changing statements sent, without BEGIN, COMMIT and progress marks. */
  statements: number;
  /** BEGIN, COMMIT, ROLLBACK and progress marks sent. */
  overheadStatements: number;
  /** Duration of the last committed flushes, milliseconds. */
  flushLatencyMs: { p50: number; p99: number; max: number };
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** The write-behind, as the engine sees it. */
export interface Shards {
  /**
   * Hands a write to its shard. The promise resolves when the write is acknowledged; it rejects with
   * `ClosedError`, or with the signal's reason while it still waits for room.
   */
  submit(task: WriteTask, options?: CallOptions): Promise<Receipt>;
  /** The stored value with everything pending for it; undefined when no row matches. */
  read(task: ReadTask, options?: CallOptions): Promise<{ value: unknown } | undefined>;
  /** Flushes everything submitted before the call; resolves when it is committed. */
  flush(options?: CallOptions): Promise<void>;
  stats(): ShardsStats;
  /**
   * Drains the rings, flushes, ends the threads. After `timeoutMs` it stops waiting for the store and
   * rejects with a `StoreError` that says how many operations were not written.
   */
  close(options?: { timeoutMs?: number }): Promise<void>;
}
