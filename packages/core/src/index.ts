export {
  BackpressureError,
  ClosedError,
  type Durability,
  FencedError,
  InvalidTaskError,
  InvalidValueError,
  LogError,
  type Receipt,
  ShardError,
  StoreError,
  type Task,
  ZmsgError,
  type ZmsgErrorCode,
} from '@zmsg/workers';
export { attach } from './attach/attach.js';
export type { ThreadHandle, ThreadLink } from './attach/thread-handle.js';
export type { Batch } from './batch.js';
export type { CacheOptions, DelayOptions, PeriodicOptions } from './call-options.js';
export type { CoherenceEvent, CoherenceStats } from './coherence/coherence.js';
export type {
  DeadLetter,
  DeadLetterDetails,
  DeadLettersView,
  ListOptions as DeadLetterListOptions,
  RetryOutcome,
} from './dead-letters/dead-letter.js';
export type { DelayQueueStats, FailedOptions, FailedWrite } from './delay/delay-queue.js';
export type { DelayQueueView } from './engine-calls.js';
export {
  ClockError,
  ConfigError,
  InvalidKeyError,
  LeaseLostError,
  MigrationError,
  NotFoundError,
  QueueError,
  ThreadEndedError,
} from './error.js';
export type { EngineEvent, EngineEvents } from './events.js';
export type { ParsedId } from './ids/parse-id.js';
export type { ColumnSource, ColumnsSource, LoaderSource, LoadFunction } from './load/source.js';
export type { AppliedMigration, MigrationSet } from './migrate/index.js';
export type { Duration } from './options/duration.js';
export type { ZMsgOptions } from './options/zmsg-options.js';
export { type Buildable, counter, map, slice, sql, table } from './sql/index.js';
export type { EngineStats } from './stats.js';
export type { Rows, Session, WaitOptions } from './store/store.js';
export type { BatchResult } from './write/batch-run.js';
export { ZMsg } from './zmsg.js';
