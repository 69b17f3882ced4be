import { EventEmitter } from 'node:events';
import {
  ClosedError,
  InvalidTaskError,
  InvalidValueError,
  type ReadTask,
  type Receipt,
  type Task,
} from '@zmsg/workers';
import type { ThreadLink } from './attach/thread-handle.js';
import { Batch } from './batch.js';
import type { CacheOptions, DelayOptions, PeriodicOptions } from './call-options.js';
import type { DeadLettersView } from './dead-letters/dead-letter.js';
import type { DelayQueueView, EngineCalls } from './engine-calls.js';
import { NotFoundError } from './error.js';
import type { EngineEvents } from './events.js';
import { checkKey, keyErrorOr } from './key.js';
import type { LoaderSource } from './load/source.js';
import type { MigrationSet } from './migrate/index.js';
import { type Duration, parseDuration } from './options/duration.js';
import type { ZMsgOptions } from './options/zmsg-options.js';
import { raceAbort } from './race-abort.js';
import { onShutdown } from './shutdown-signals.js';
import { type Buildable, isReadTask, toTask } from './sql/index.js';
import type { EngineStats } from './stats.js';
import type { Rows, WaitOptions } from './store/store.js';
import { checkValue } from './value.js';
import { deleteStatement, writeTask } from './write/write-task.js';
import type { Row } from './write/writer.js';

/**
 * The engine of one node: opened by one thread (`ZMsg.open`), attached to by others (`attach`), with the same
 * calls in each. Every call that waits takes `{ signal }` and then rejects promptly with the
 * signal's reason; a write that was already sent may still happen. After `close()` every call rejects
 * with `ClosedError`.
 */
export class ZMsg extends EventEmitter<EngineEvents> {
  readonly #engine: EngineCalls;
  #closing: Promise<void> | undefined;
  #ignoreSignals = () => {};
  /** Strong and delayed writes and queries under way, which `close()` waits for. */
  readonly #active = new Set<Promise<unknown>>();

  /** @internal `ZMsg.open` and `attach` make them. */
  constructor(engine: EngineCalls) {
    super();
    this.#engine = engine;
    const report = () => queueMicrotask(() => engine.listen(this.eventNames()));
    const internal = this as EventEmitter;
    internal.on('newListener', report);
    internal.on('removeListener', report);
  }

  /**
   * Opens an engine: from a YAML file, from an object with the same keys in camelCase, or with nothing,
   * which starts the embedded PostgreSQL. `ZMSG_*` variables win over both. Applies the engine's own
   * tables.
   *
   * @throws ConfigError naming the key; StoreError when PostgreSQL cannot be reached within 10 s
   */
  static async open(options?: string | ZMsgOptions): Promise<ZMsg> {
    // Not above: PostgreSQL's, Redis' and the queues' clients are nothing that an attached thread needs.
    const { openEngine } = await import('./engine.js');
    // Events of the opening itself have no listener yet; they are logged.
    let zm: ZMsg | undefined;
    const engine = await openEngine(options, (event) => {
      zm?.emit(event.type as keyof EngineEvents, event as never);
    });
    zm = new ZMsg(engine);
    zm.#ignoreSignals = onShutdown(engine, () => (zm as ZMsg).close());
    return zm;
  }

  /**
   * L1 → L2 → Bloom filter → store. Undefined when absent. Do not write to the Buffer: the next reader of the key
   * in this thread may be given the same one. `Buffer.from(value)` is a copy.
   */
  get(key: string, options?: WaitOptions): Promise<Buffer | undefined> {
    try {
      this.#checkOpen();
      // Not checked first: what L1 has was checked when it came there, and a key's bytes are far from the processor.
      const hit = this.#engine.reader.hit(key);
      if (hit !== undefined) return hit;
      checkKey(key);
      options?.signal?.throwIfAborted();
      return race(this.#track(this.#engine.reader.miss(key, options)), options);
    } catch (error) {
      return Promise.reject(keyErrorOr(error, key));
    }
  }

  /** @throws NotFoundError when absent */
  async getOrThrow(key: string, options?: WaitOptions): Promise<Buffer> {
    const value = await this.get(key, options);
    if (value === undefined) throw new NotFoundError(key);
    return value;
  }

  /** L1 only, synchronous. Undefined does not mean that there is no value. The Buffer is to be read only, as with `get`. */
  peek(key: string): Buffer | undefined {
    try {
      this.#checkOpen();
      const value = this.#engine.reader.peek(key);
      if (value === undefined) checkKey(key);
      return value;
    } catch (error) {
      throw keyErrorOr(error, key);
    }
  }

  /** The values that were found, by key: one L2 round trip and one query per loader for all misses. */
  getMany(keys: readonly string[], options?: WaitOptions): Promise<Map<string, Buffer>> {
    return this.#call(options, () => {
      for (const key of keys) checkKey(key);
      return this.#engine.reader.getMany(keys, options);
    });
  }

  /** Caches without a database write. */
  cacheOnly(key: string, data: Uint8Array, options?: CacheOptions): Promise<void> {
    return this.#call(options, () => {
      const value = checkedCopy(key, data);
      return this.#engine.writer.cache(key, value, this.#ttlMs(options?.ttl), options);
    });
  }

  /**
   * Writes to the database now, then caches. Without a task the value goes to `zmsg_data`.
   *
   * @throws StoreError when the write failed; the cache is as it was then
   */
  cacheAndStore<R = Row>(
    key: string,
    data: Uint8Array,
    task?: Buildable,
    options?: CacheOptions,
  ): Promise<Rows<R>> {
    return this.#call(options, () => {
      const value = checkedCopy(key, data);
      const built = writeTask(key, value, task);
      return this.#engine.writer.store<R>(key, value, built, this.#ttlMs(options?.ttl), options);
    });
  }

  /** Enqueues the write durably, then caches. The write happens after `delay`, with retries, once. */
  cacheAndDelayStore(key: string, data: Uint8Array, task?: Buildable, options?: DelayOptions): Promise<void> {
    return this.#call(options, async () => {
      const value = checkedCopy(key, data);
      const built = writeTask(key, value, task);
      const ttlMs = this.#ttlMs(options?.ttl);
      await this.#engine.writer.delay(key, built, this.#delayMs(options?.delay), options);
      await this.#engine.writer.cache(key, value, ttlMs, options);
    });
  }

  /**
   * Hands the write to its shard, which folds it with others and flushes by size or time; caches `data`
   * unless it is null. Resolves when the write is as durable as asked for: by default, when it is on disk
   * in the shard's log.
   *
   * @throws LogError when it cannot be logged (the disk is full). It is not applied then, unless the
   *   process dies before the next flush: what reached the file before the failure may be replayed
   * @throws BackpressureError with `on_full: reject`, when too much is pending
   */
  cacheAndPeriodicStore(
    key: string,
    data: Uint8Array | null,
    task?: Buildable,
    options?: PeriodicOptions,
  ): Promise<Receipt> {
    const { writer } = this.#engine;
    if (data !== null) {
      return this.#call(options, async () => {
        const value = checkedCopy(key, data);
        const built = writeTask(key, value, task);
        const ttlMs = this.#ttlMs(options?.ttl);
        const receipt = await writer.periodic(key, built, options);
        await writer.cache(key, value, ttlMs, options);
        writer.followPut(key, value, receipt);
        return receipt;
      });
    }
    // The way of a like: no promise but that of the shard.
    try {
      this.#checkOpen(options);
      checkKey(key);
      return race(writer.periodic(key, writeTask(key, null, task), options), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Replaces a cached value, keeping its remaining time to live. False: nothing was cached. */
  update(key: string, data: Uint8Array, options?: WaitOptions): Promise<boolean> {
    return this.#call(options, () => this.#engine.writer.replace(key, checkedCopy(key, data), options));
  }

  /** Writes now, then replaces the cached value, keeping its remaining time to live. */
  updateStore<R = Row>(
    key: string,
    data: Uint8Array,
    task?: Buildable,
    options?: WaitOptions,
  ): Promise<Rows<R>> {
    return this.#call(options, () => {
      const value = checkedCopy(key, data);
      return this.#engine.writer.storeAndReplace<R>(key, value, writeTask(key, value, task), options);
    });
  }

  /** Deletes the key from L1 and L2. Its row stays. */
  del(key: string, options?: WaitOptions): Promise<void> {
    return this.#call(options, () => {
      checkKey(key);
      return this.#engine.writer.forget(key, options);
    });
  }

  /** Deletes the row now (without a task: from `zmsg_data`), then the key from the caches. */
  delStore<R = Row>(key: string, task?: Buildable, options?: WaitOptions): Promise<Rows<R>> {
    return this.#call(options, () => {
      checkKey(key);
      return this.#engine.writer.remove<R>(key, deleteStatement(key, task), options);
    });
  }

  /** Deletes the key from the caches now and its row after `delay`, and then from the caches again. */
  delDelayStore(key: string, task?: Buildable, options?: WaitOptions & { delay?: Duration }): Promise<void> {
    return this.#call(options, () => {
      checkKey(key);
      const delayMs = this.#delayMs(options?.delay);
      return this.#engine.writer.removeLater(key, deleteStatement(key, task), delayMs, options);
    });
  }

  /** Runs a task now, past caches and shards. */
  exec<R = Row>(task: Buildable, options?: WaitOptions): Promise<Rows<R>> {
    return this.#call(options, () => {
      const built = toTask<Task | ReadTask>(task);
      if (isReadTask(built)) throw new InvalidTaskError(`${built.op}() reads: use query()`);
      return this.#engine.writer.exec<R>(built, options);
    });
  }

  /**
   * Runs a task now and resolves with its rows. A `get()` or `getKey()` of a counter, slice or map
   * gives one row, `{ [column]: value }`, of the stored value and what this node's shard still holds
   * for it under the same batch key; no row when there is none. Integer columns give a number, or a
   * bigint past 2^53; `numeric` its exact text.
   */
  query<R = Row>(task: Buildable<Task | ReadTask>, options?: WaitOptions): Promise<R[]> {
    return this.#call(options, async () => {
      const built = toTask<Task | ReadTask>(task);
      if (!isReadTask(built)) return (await this.#engine.writer.exec<R>(built, options)).rows;
      const found = await this.#engine.shards.read(built, options ?? {});
      return found === undefined ? [] : [{ [built.column]: found.value } as R];
    });
  }

  /** Collects writes for one transaction and one cache pipeline. */
  batch(): Batch {
    this.#checkOpen();
    return new Batch(
      this.#engine.writer,
      (ttl) => this.#ttlMs(ttl),
      (delay) => this.#delayMs(delay),
      (work, options) => this.#call(options, work),
    );
  }

  /** May the key exist in the database? False is a promise: it does not. */
  dbHit(key: string, options?: WaitOptions): Promise<boolean> {
    // Not by `#call`: of its 2.3 µs, promises around an answer that is there at once were 1.3.
    try {
      this.#checkOpen(options);
      checkKey(key);
      const answer = this.#engine.mayExist(key, options);
      if (typeof answer === 'boolean') return answer ? MAY_EXIST : DOES_NOT_EXIST;
      return race(this.#track(answer), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A new id, `prefix_<decimal>`, unique over threads, processes, restarts and clock steps. */
  nextId(prefix?: string): string {
    this.#checkOpen();
    return this.#engine.ids.next(prefix);
  }

  /** Time, node and sequence of an id that this engine's epoch made. */
  parseId(id: string) {
    return this.#engine.parseId(id);
  }

  /** Registers where `get` finds the keys of a prefix; the longest prefix wins. */
  loader(prefix: string, source: LoaderSource, options?: { bloom?: boolean }): this {
    this.#checkOpen();
    this.#engine.addLoader(prefix, source, options);
    return this;
  }

  /** Tells the Bloom filter of rows that something else inserted, or is about to insert. */
  announce(keys: readonly string[], options?: WaitOptions): Promise<void> {
    return this.#call(options, () => {
      for (const key of keys) checkKey(key);
      return this.#engine.writer.announce(keys, options);
    });
  }

  /** A migration file, `NNN_name.sql`. Nothing happens before `.migrate()`. */
  load(file: string): MigrationSet {
    return this.#migrations().load(file);
  }

  /** A migration given as text. */
  loadSql(text: string): MigrationSet {
    return this.#migrations().loadSql(text);
  }

  /** All migration files of a folder. */
  loadDir(dir: string): MigrationSet {
    return this.#migrations().loadDir(dir);
  }

  /** The delayed writes that wait, and those that failed for good: to list, retry or discard. */
  delayQueue(options?: WaitOptions): Promise<DelayQueueView> {
    return this.#call(options, () => this.#engine.delayQueue(options));
  }

  /**
   * Periodic writes that PostgreSQL refused for good, of all nodes: to list, retry or discard. After a
   * retry that inserts rows of a loader's table, `announce` their keys.
   */
  deadLetters(): DeadLettersView {
    this.#checkOpen();
    const letters = this.#engine.deadLetters;
    return {
      list: (options) => this.#call(options, () => letters.list(options)),
      get: (id, options) => this.#call(options, () => letters.get(id, options)),
      count: (options) => this.#call(options, () => letters.count(options)),
      retry: (ids, options) => this.#call(options, () => letters.retry(ids, options)),
      discard: (ids, options) => this.#call(options, () => letters.discard(ids, options)),
    };
  }

  /** Flushes everything handed to the shards before; resolves when it is committed. */
  async flush(options?: WaitOptions): Promise<void> {
    this.#checkOpen(options);
    return race(this.#engine.shards.flush(options ?? {}), options);
  }

  /**
   * Lets one more thread of this process attach. Its calls are the same; see `attach` for how the thread gets
   * the handle. Takes `batch_shards` rings of 1 MiB, for which the memory of threads that ended is used again.
   *
   * @throws ClosedError; ConfigError in a thread that is itself attached
   */
  openThread(): ThreadLink {
    this.#checkOpen();
    return this.#engine.openThread();
  }

  /** In an attached thread, figures that are not in shared memory are up to 250 ms old. */
  stats(): EngineStats {
    this.#checkOpen();
    return this.#engine.stats();
  }

  /**
   * Stops taking calls, waits for those under way, drains the rings, flushes, releases the node id,
   * closes all connections. Can be called again; the same promise answers. SIGTERM and SIGINT do the same,
   * unless the application listens to them itself; then they flush. In an attached thread it ends what the
   * thread has under way, and leaves the engine open.
   *
   * @throws StoreError when PostgreSQL did not take everything within `shutdown_timeout`: it says how
   *   many operations were not written, and how many of them stay in the log for the next start
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      try {
        const underWay = [...this.#active, this.#engine.drain()];
        await settledWithin(underWay, this.#engine.options.shutdownTimeoutMs);
        await this.#engine.close();
      } finally {
        this.#ignoreSignals();
      }
    })();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #migrations(): MigrationSet {
    this.#checkOpen();
    return this.#engine.migrations();
  }

  /** Every waiting call but the hottest: errors become rejections, `close()` waits, the signal is heard. */
  async #call<T>(options: WaitOptions | undefined, work: () => Promise<T>): Promise<T> {
    this.#checkOpen(options);
    return race(this.#track(work()), options);
  }

  #checkOpen(options?: WaitOptions): void {
    if (this.#closing !== undefined || this.#engine.isClosed) throw new ClosedError();
    options?.signal?.throwIfAborted();
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#active.add(work);
    const done = () => this.#active.delete(work);
    work.then(done, done);
    return work;
  }

  #ttlMs(ttl: Duration | undefined): number {
    if (ttl === undefined) return this.#engine.options.defaultTtlMs;
    const ms = parseDuration(ttl, 'ttl');
    if (ms === 0) throw new InvalidValueError('ttl: 0 would be over at once; use del() to delete');
    return ms;
  }

  #delayMs(delay: Duration | undefined): number {
    return delay === undefined ? 0 : parseDuration(delay, 'delay');
  }
}

/** The answers that need no waiting: a new promise for each would take as long as the filter. */
const MAY_EXIST = Promise.resolve(true);
const DOES_NOT_EXIST = Promise.resolve(false);

/** A copy, since the caller may go on using its buffer while the call waits. */
function checkedCopy(key: string, data: Uint8Array): Buffer {
  checkKey(key);
  checkValue(data);
  return Buffer.from(data);
}

function race<T>(work: Promise<T>, options: WaitOptions | undefined): Promise<T> {
  return options?.signal === undefined ? work : raceAbort(work, options.signal);
}

/** Calls that PostgreSQL does not answer must not keep an engine from closing. */
async function settledWithin(work: Iterable<Promise<unknown>>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.allSettled(work), late]);
  clearTimeout(timer);
}
