import { type Durability, InvalidTaskError } from '@zmsg/workers';
import type { WriteCalls } from './engine-calls.js';
import { checkKey } from './key.js';
import type { Duration } from './options/duration.js';
import type { Buildable } from './sql/index.js';
import type { WaitOptions } from './store/store.js';
import { checkValue } from './value.js';
import type { BatchEntry, BatchResult } from './write/batch-run.js';
import { writeTask } from './write/write-task.js';
import type { CacheEntry } from './write/writer.js';

/** Runs a call of the engine: refused when closed, awaited by `close()`, raced with the signal. */
type Guard = <T>(work: () => Promise<T>, options: WaitOptions | undefined) => Promise<T>;

/**
 * Collects writes; `execute()` runs the strong ones in one transaction, then the delayed and periodic
 * ones, then all cache writes in one pipeline. Each call checks its arguments at once.
 *
 * @example
 * await zm.batch().cacheAndStore('feed_1', data, task).cacheOnly('feed_2', other).execute();
 */
export class Batch {
  readonly #writer: WriteCalls;
  readonly #entries: BatchEntry[] = [];
  #executed = false;
  readonly #toTtlMs: (ttl: Duration | undefined) => number;
  readonly #toDelayMs: (delay: Duration | undefined) => number;
  readonly #guard: Guard;

  constructor(
    writer: WriteCalls,
    toTtlMs: (ttl: Duration | undefined) => number,
    toDelayMs: (delay: Duration | undefined) => number,
    guard: Guard,
  ) {
    this.#writer = writer;
    this.#toTtlMs = toTtlMs;
    this.#toDelayMs = toDelayMs;
    this.#guard = guard;
  }

  cacheOnly(key: string, data: Uint8Array, options?: { ttl?: Duration }): this {
    return this.#add({ kind: 'cache', key, cached: this.#entry(key, data, options?.ttl) });
  }

  cacheAndStore(key: string, data: Uint8Array, task?: Buildable, options?: { ttl?: Duration }): this {
    const cached = this.#entry(key, data, options?.ttl);
    return this.#add({ kind: 'store', key, task: writeTask(key, cached.value, task), cached });
  }

  cacheAndDelayStore(
    key: string,
    data: Uint8Array,
    task?: Buildable,
    options?: { delay?: Duration; ttl?: Duration },
  ): this {
    const cached = this.#entry(key, data, options?.ttl);
    const delayMs = this.#toDelayMs(options?.delay);
    return this.#add({ kind: 'delay', key, task: writeTask(key, cached.value, task), cached, delayMs });
  }

  cacheAndPeriodicStore(
    key: string,
    data: Uint8Array | null,
    task?: Buildable,
    options?: { ttl?: Duration; durability?: Durability },
  ): this {
    checkKey(key);
    const durability = options?.durability;
    const cached = data === null ? undefined : this.#entry(key, data, options?.ttl);
    const built = writeTask(key, cached?.value ?? null, task);
    return this.#add({ kind: 'periodic', key, task: built, cached, durability });
  }

  /**
   * Results in the order of the calls: `{ rowCount, rows }` of strong writes, receipts of periodic
   * ones, undefined for the others. A batch can be executed once.
   *
   * @throws StoreError when the transaction failed: nothing of the batch was done then
   */
  async execute(options?: WaitOptions): Promise<BatchResult[]> {
    return this.#guard(() => {
      this.#checkUnused();
      this.#executed = true;
      return this.#writer.batch(this.#entries, options);
    }, options);
  }

  #add(entry: BatchEntry): this {
    this.#checkUnused();
    this.#entries.push(entry);
    return this;
  }

  #checkUnused(): void {
    if (this.#executed) throw new InvalidTaskError('the batch was executed already');
  }

  #entry(key: string, data: Uint8Array, ttl: Duration | undefined): CacheEntry {
    checkKey(key);
    checkValue(data);
    // A copy: the caller may reuse its buffer before execute().
    return { key, value: Buffer.from(data), ttlMs: this.#toTtlMs(ttl) };
  }
}
