import { type Durability, InvalidTaskError, type Receipt, type Task } from '@zmsg/workers';
import type { Rows, WaitOptions } from '../store/store.js';
import type { CacheEntry, Row, Writer } from './writer.js';

interface Entry {
  kind: 'cache' | 'store' | 'delay' | 'periodic';
  key: string;
  /** Undefined only for `cache`. */
  task: Task | undefined;
  /** Undefined: nothing is cached. */
  cached: CacheEntry | undefined;
  /** For `delay`. */
  delayMs?: number;
  /** For `periodic`. */
  durability?: Durability | undefined;
}

/** What the calls of a batch came to, in their order; undefined for calls that resolve with nothing. */
export type BatchResult = Rows<Row> | Receipt | undefined;

/**
 * Carries out collected writes: the strong ones in one transaction (if it fails, nothing else
 * happens), then the delayed and periodic ones, then all values in one cache pipeline.
 */
export class BatchRun {
  readonly #writer: Writer;
  readonly #entries: Entry[] = [];
  #executed = false;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  add(entry: Entry): void {
    if (this.#executed) throw new InvalidTaskError('the batch was executed already');
    this.#entries.push(entry);
  }

  execute(options?: WaitOptions): Promise<BatchResult[]> {
    if (this.#executed) throw new InvalidTaskError('the batch was executed already');
    this.#executed = true;
    const stores = this.#of('store');
    const rest = (rows: Rows<Row>[]) => this.#rest(stores, rows, options);
    return stores.length === 0 ? rest([]) : this.#writer.storeMany(stores, rest, options);
  }

  async #rest(
    stores: readonly { at: number }[],
    rows: Rows<Row>[],
    options?: WaitOptions,
  ): Promise<BatchResult[]> {
    const results = new Array<BatchResult>(this.#entries.length).fill(undefined);
    for (const [index, { at }] of stores.entries()) results[at] = rows[index];
    await Promise.all([
      ...this.#of('delay').map(({ key, task, delayMs }) => this.#writer.delay(key, task, delayMs ?? 0)),
      ...this.#of('periodic').map(async ({ at, key, task, durability }) => {
        results[at] = await this.#writer.periodic(key, task, { ...options, durability });
      }),
    ]);
    const cached = this.#entries.flatMap((entry) => entry.cached ?? []);
    if (cached.length > 0) await this.#writer.cacheMany(cached);
    return results;
  }

  #of(kind: 'store' | 'delay' | 'periodic') {
    return this.#entries.flatMap((entry, at) =>
      entry.kind === kind && entry.task !== undefined ? [{ ...entry, task: entry.task, at }] : [],
    );
  }
}
