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
    return this.#run(options);
  }

  async #run(options?: WaitOptions): Promise<BatchResult[]> {
    const results = new Array<BatchResult>(this.#entries.length).fill(undefined);
    // What the batch puts under a key last.
    const cached = new Map(this.#entries.flatMap(({ cached: entry }) => (entry ? [[entry.key, entry]] : [])));
    const stores = this.#of('store');
    if (stores.length > 0) {
      const writes = stores.map(({ key, task }) => ({ key, task, cached: cached.get(key) }));
      const rows = await this.#writer.storeMany(writes, options);
      for (const [index, { at, key }] of stores.entries()) {
        results[at] = rows[index];
        cached.delete(key);
      }
    }
    await Promise.all([
      ...this.#of('delay').map(({ key, task, delayMs }) => this.#writer.delay(key, task, delayMs ?? 0)),
      ...this.#of('periodic').map(async ({ at, key, task, durability }) => {
        results[at] = await this.#writer.periodic(key, task, { ...options, durability });
      }),
    ]);
    if (cached.size > 0) await this.#writer.cacheMany([...cached.values()]);
    return results;
  }

  #of(kind: 'store' | 'delay' | 'periodic') {
    return this.#entries.flatMap((entry, at) =>
      entry.kind === kind && entry.task !== undefined ? [{ ...entry, task: entry.task, at }] : [],
    );
  }
}
