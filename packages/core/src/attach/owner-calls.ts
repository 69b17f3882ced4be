import type { Task } from '@zmsg/workers';
import type { ListOptions as LetterOptions } from '../dead-letters/dead-letter.js';
import type { FailedOptions } from '../delay/delay-queue.js';
import type { Engine } from '../engine.js';
import type { LoaderSource } from '../load/source.js';
import type { EngineStats } from '../stats.js';
import type { WaitOptions } from '../store/store.js';
import { type BatchEntry, runBatch } from '../write/batch-run.js';
import type { Row, Statement } from '../write/writer.js';
import type { MigrationSource } from './attached-migrations.js';
import type { AttachedThread } from './attached-thread.js';

type Signal = AbortSignal | undefined;

/** What a thread may ask of the engine's owner, over its port: each runs on the engine's own reader and writer. */
export type OwnerCalls = ReturnType<typeof ownerCalls>;

export function ownerCalls(engine: Engine, thread: AttachedThread) {
  const { reader, writer, deadLetters } = engine;
  const queue = () => engine.delayQueue();
  return {
    hello(_: Signal, threadId: number): { stats: EngineStats } {
      thread.attached(threadId);
      return { stats: engine.stats() };
    },

    read: (_: Signal, key: string) => reader.missElsewhere(key),
    readMany: (_: Signal, keys: readonly string[]) => reader.getMany(keys),
    mayExist: (_: Signal, key: string) => engine.mayExist(key),

    cache: (_: Signal, key: string, data: Buffer, ttlMs: number) => writer.cache(key, data, ttlMs),
    exec: (signal: Signal, task: Statement) => writer.exec<Row>(task, { signal }),
    store: (signal: Signal, key: string, data: Buffer, task: Task, ttlMs: number) =>
      writer.store<Row>(key, data, task, ttlMs, { signal }),
    storeAndReplace: (signal: Signal, key: string, data: Buffer, task: Task) =>
      writer.storeAndReplace<Row>(key, data, task, { signal }),
    delay: (_: Signal, key: string, task: Task, delayMs: number) => writer.delay(key, task, delayMs),
    replace: (_: Signal, key: string, data: Buffer) => writer.replace(key, data),
    forget: (_: Signal, key: string) => writer.forget(key),
    recheck: (_: Signal, key: string, value: Buffer) => writer.recheck(key, value),
    remove: (signal: Signal, key: string, task: Statement) => writer.remove<Row>(key, task, { signal }),
    removeLater: (_: Signal, key: string, task: Statement, delayMs: number) =>
      writer.removeLater(key, task, delayMs),
    announce: (_: Signal, keys: readonly string[]) => writer.announce(keys),
    /** The thread submits the periodic writes itself, in their turn: its producer keeps their order. */
    batch: (signal: Signal, id: number, entries: readonly BatchEntry[]) =>
      runBatch(writer, entries, () => thread.port.call('submitBatch', [id], { signal }), { signal }),

    /** For the column types that a periodic write is checked against. */
    statement: (_: Signal, text: string, values?: readonly unknown[]) => engine.store.exec<Row>(text, values),
    /** For a loader that runs in the thread. */
    loaderStatement: (_: Signal, text: string, values?: readonly unknown[]) =>
      engine.readStore.exec<Row>(text, values),
    /** Undefined: a function, which stays in the thread. */
    addLoader: (
      _: Signal,
      prefix: string,
      source: Exclude<LoaderSource, (...args: never[]) => unknown> | undefined,
      options: { bloom?: boolean } | undefined,
    ) => engine.threads.loaders.add(thread, prefix, source, options),

    migrate(signal: Signal, sources: readonly MigrationSource[]) {
      const set = engine.migrations();
      for (const source of sources) {
        if ('file' in source) set.load(source.file);
        else if ('dir' in source) set.loadDir(source.dir);
        else set.loadSql(source.text, source.name);
      }
      return set.migrate({ signal });
    },

    openDelayQueue: async () => void (await queue()),
    failedWrites: async (_: Signal, options?: FailedOptions) => (await queue()).failed(options),
    retryFailedWrite: async (_: Signal, id: string) => (await queue()).retryFailed(id),
    discardFailedWrite: async (_: Signal, id: string) => (await queue()).discardFailed(id),
    delayStats: async () => (await queue()).stats(),

    letters: (signal: Signal, options?: Omit<LetterOptions, keyof WaitOptions>) =>
      deadLetters.list({ ...options, signal }),
    letter: (signal: Signal, id: string) => deadLetters.get(id, { signal }),
    countLetters: (signal: Signal) => deadLetters.count({ signal }),
    retryLetters: (signal: Signal, ids: string | readonly string[]) => deadLetters.retry(ids, { signal }),
    discardLetters: (signal: Signal, ids: string | readonly string[]) => deadLetters.discard(ids, { signal }),

    listen: (_: Signal, types: readonly string[]) => thread.events.listen(types),
    eventsSeen: (_: Signal, events: number) => thread.events.seen(events),
    /** No more loads for this thread; `detach` comes when what it was asked for is done. */
    closing: () => engine.threads.loaders.removeAll(thread),
    detach: () => thread.detached(),
  };
}
