import type { MessagePort } from 'node:worker_threads';
import type { Durability } from './durability.js';
import type { FencedError, LogError, ShardError } from './error.js';
import type { AttachHandle } from './producer-handle.js';
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

/** The write-ahead log of all shards. */
export interface ShardLogOptions {
  /** Directory of the log, made when it is missing. One process at a time: the caller sees to that. */
  dir: string;
  /** For writes that do not say. */
  durability: Durability;
  /** Time until what was written at level `interval` is on disk, milliseconds. @default 1000 */
  syncIntervalMs: number;
  /** Size of the log's files. @default 4 MiB */
  segmentBytes?: number;
  /**
   * For `recoverLog`: another process may have the log open, which is fenced now. Its files are left as they
   * are; what it still writes is there for whoever recovers the log next. @default false
   */
  isForeign?: boolean;
}

export interface ShardsOptions {
  store: ShardStoreOptions;
  log: ShardLogOptions;
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
  /** The same in bytes of the operations as they are written to the log. @default 256 MiB */
  pendingMaxBytes: number;
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
  /** The thread died; another one takes its place. Lost are acknowledged operations that were not logged. */
  | { type: 'shard:thread:restarted'; shard: number; error: Error; lost: number }
  /** The shard is given up: what waits for it rejects. What is in its log is applied at the next start. */
  | { type: 'shard:thread:failed'; shard: number; error: ShardError | LogError | FencedError }
  /** The last records of the log were not whole: an append that was under way when the process died. */
  | { type: 'log:tail:cut'; shard: number; file: string; offset: number; bytes: number; reason: string }
  /** Operations that were acknowledged before, and now are pending again. */
  | { type: 'log:operations:recovered'; shard: number; operations: number; durationMs: number }
  /** The log could not be written, not even to a new file. The operations were refused. */
  | { type: 'log:write:failed'; shard: number; operations: number; error: Error };

/** Given for an accepted write. */
export interface Receipt {
  /**
   * Resolves when the operation is on disk: in the log (at once at level `always`, after `wal_interval` at
   * the latest at level `interval`) or, at level `off`, in PostgreSQL.
   */
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
  /** Their memory, as counted for `pendingMaxBytes`. */
  pendingBytes: number;
  /** Threads that write to the shards, the owner among them; a moment longer than they live. */
  producers: number;
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
  /** What was acknowledged and could be lost. */
  atRisk: {
    /** Operations that the end of the process would lose: neither logged nor committed. */
    volatileOperations: number;
    /** Operations that a power failure would lose: neither on disk nor committed, the volatile ones too. */
    unsyncedOperations: number;
    /** Operations not yet committed. */
    unflushedOperations: number;
    /** Age of the oldest operation not yet committed, milliseconds; 0 if there is none. */
    oldestMs: number;
  };
  log: {
    /** Bytes of the log's files. */
    bytes: number;
    /** Appends and syncs that failed also in a new file. */
    failures: number;
    /** Operations that were read from the log when the shards started. */
    recovered: number;
  };
  /** Duration of the last committed flushes, milliseconds. */
  flushLatencyMs: { p50: number; p99: number; max: number };
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends CallOptions {
  /** @default the configured level */
  durability?: Durability | undefined;
}

/** What every thread that writes to the shards can do. */
export interface ShardsClient {
  /**
   * Hands a write to its shard. The promise resolves when the write is acknowledged; it rejects with
   * `ClosedError`, with `LogError` when it could not be logged (then it is not applied, unless the process
   * dies before the next flush and finds it in the file after all), or with the
   * signal's reason while it still waits for room.
   */
  submit(task: WriteTask, options?: SubmitOptions): Promise<Receipt>;
  /** The stored value with everything pending for it; undefined when no row matches. */
  read(task: ReadTask, options?: CallOptions): Promise<{ value: unknown } | undefined>;
  /**
   * Flushes everything that this thread submitted before the call and everything that was acknowledged to
   * any thread; resolves when it is committed.
   */
  flush(options?: CallOptions): Promise<void>;
  /** Of all shards, whichever thread asks. */
  stats(): ShardsStats;
}

/** The write-behind, as the engine sees it: in the thread that owns the shards. */
export interface Shards extends ShardsClient {
  /**
   * Keys of puts that an earlier process had acknowledged: pending until the first `flush()` has resolved. They are
   * forgotten here: there may be millions.
   */
  takeRecoveredPuts(): string[];
  /**
   * Lets one more thread write to the shards, over rings of its own (`ringBytes` for each shard).
   * @throws ClosedError
   */
  openProducer(): ProducerLink;
  /**
   * Ends what all threads submitted, flushes, ends the shard threads, and deletes the log. Calls in any thread
   * that begin after this one reject with `ClosedError`; so do those of a thread that does not answer for
   * a second. After `timeoutMs` it stops waiting for the store and rejects with a `StoreError` that says how
   * many operations were not written, and how many of them stay in the log.
   */
  close(options?: { timeoutMs?: number }): Promise<void>;
}

/** The owner's end of a thread that writes to the shards. */
export interface ProducerLink {
  /** For `connectShards` in the thread, once: by `workerData` or `postMessage`, together with `transferList`. */
  readonly handle: AttachHandle;
  readonly transferList: readonly MessagePort[];
  /**
   * Resolves when the thread writes no more, and nothing of it is held here or in a shard. What it had written
   * into its rings is taken like that of any thread; what was acknowledged is applied. Happens by itself when
   * the thread ends, in whichever way, or closes its end. Never rejects.
   */
  readonly released: Promise<void>;
  /**
   * Asks the thread to end what it submitted and to let go, or takes the handle back if it was never handed
   * over; returns `released`. A thread that does not come to hear it keeps what it has until it ends.
   */
  release(): Promise<void>;
}

/** The shards as a thread sees them that does not own them. */
export interface AttachedShards extends ShardsClient {
  /**
   * No new calls. Resolves when everything that this thread submitted is acknowledged (and committed, where a
   * receipt is waited for), and lets go; the shards go on. Calls that still wait after `timeoutMs` (default
   * 30 s) reject with `ClosedError`, and so does this one.
   */
  close(options?: { timeoutMs?: number }): Promise<void>;
}
