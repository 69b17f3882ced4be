import type { ReadTask, Receipt, SubmitOptions, Task } from '@zmsg/workers';
import type { ThreadLink } from './attach/thread-handle.js';
import type { DeadLettersView } from './dead-letters/dead-letter.js';
import type { DelayQueue } from './delay/delay-queue.js';
import type { ParsedId } from './ids/parse-id.js';
import type { LoaderSource } from './load/source.js';
import type { MigrationSet } from './migrate/migration-set.js';
import type { EngineStats } from './stats.js';
import type { Rows, WaitOptions } from './store/store.js';
import type { BatchEntry, BatchResult } from './write/batch-run.js';
import type { Statement } from './write/writer.js';

/** What an operator may do with delayed writes. */
export type DelayQueueView = Pick<DelayQueue, 'failed' | 'retryFailed' | 'discardFailed' | 'stats'>;

/**
 * All that `ZMsg` asks of an engine. Two things answer: the engine itself, in the thread that opened it
 * (`engine.ts`), and what stands for it in every other thread (`attach/attached-engine.ts`). Arguments were
 * checked before they arrive here.
 */
export interface EngineCalls {
  readonly options: { readonly defaultTtlMs: number; readonly shutdownTimeoutMs: number };
  readonly reader: ReadCalls;
  readonly writer: WriteCalls;
  readonly shards: {
    read(task: ReadTask, options?: WaitOptions): Promise<{ value: unknown } | undefined>;
    flush(options?: WaitOptions): Promise<void>;
  };
  readonly ids: { next(prefix?: string): string };
  readonly deadLetters: DeadLettersView;
  /** The engine behind it was closed: every call is refused. */
  readonly isClosed: boolean;
  mayExist(key: string, options?: WaitOptions): boolean | Promise<boolean>;
  addLoader(prefix: string, source: LoaderSource, options: { bloom?: boolean } | undefined): void;
  parseId(id: string): ParsedId;
  migrations(): MigrationSet;
  delayQueue(options?: WaitOptions): Promise<DelayQueueView>;
  stats(): EngineStats;
  /** @throws ConfigError where the engine is not open itself */
  openThread(): ThreadLink;
  /** The events that someone listens to have changed. */
  listen(types: readonly string[]): void;
  /** No new calls; resolves when what others (threads, the owner) still want of this engine is done. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadCalls {
  /** L1 only. An error other than the engine's own: it is no key. */
  peek(key: string): Buffer | undefined;
  /** The same, as a promise: for a value that is read often, one that all reads share. */
  hit(key: string): Promise<Buffer> | undefined;
  /** The way of a key that L1 does not have. */
  miss(key: string, options?: WaitOptions): Promise<Buffer | undefined>;
  getMany(keys: readonly string[], options?: WaitOptions): Promise<Map<string, Buffer>>;
}

/** See `Writer`. */
export interface WriteCalls {
  cache(key: string, data: Uint8Array, ttlMs: number, options?: WaitOptions): Promise<void>;
  exec<R>(task: Statement, options?: WaitOptions): Promise<Rows<R>>;
  store<R>(key: string, data: Uint8Array, task: Task, ttlMs: number, options?: WaitOptions): Promise<Rows<R>>;
  storeAndReplace<R>(key: string, data: Uint8Array, task: Task, options?: WaitOptions): Promise<Rows<R>>;
  delay(key: string, task: Task, delayMs: number, options?: WaitOptions): Promise<void>;
  periodic(key: string, task: Task, options?: SubmitOptions): Promise<Receipt>;
  followPut(key: string, value: Uint8Array, receipt: Receipt): void;
  replace(key: string, data: Uint8Array, options?: WaitOptions): Promise<boolean>;
  forget(key: string, options?: WaitOptions): Promise<void>;
  remove<R>(key: string, statement: Statement, options?: WaitOptions): Promise<Rows<R>>;
  removeLater(key: string, statement: Statement, delayMs: number, options?: WaitOptions): Promise<void>;
  announce(keys: readonly string[], options?: WaitOptions): Promise<void>;
  /** Results in the order of the entries. */
  batch(entries: readonly BatchEntry[], options?: WaitOptions): Promise<BatchResult[]>;
}
