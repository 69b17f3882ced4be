import type { Receipt, SubmitOptions, Task } from '@zmsg/workers';
import type { WriteCalls } from '../engine-calls.js';
import type { Rows, WaitOptions } from '../store/store.js';
import { type BatchEntry, type BatchResult, followPuts, submitPeriodic } from '../write/batch-run.js';
import type { PeriodicWriter } from '../write/periodic-writer.js';
import { PutFollowUp } from '../write/put-follow-up.js';
import type { Statement } from '../write/writer.js';
import type { OwnerPort } from './owner-port.js';

/**
 * What happens to a write in an attached thread: a periodic one goes into this thread's own rings. All others run
 * in the owner, where writes of one key wait for each other, whichever thread they come from.
 */
export class AttachedWriter implements WriteCalls {
  readonly #owner: OwnerPort;
  readonly #periodic: PeriodicWriter;
  readonly #puts: PutFollowUp;
  /** Batches with periodic writes that the owner is carrying out. */
  readonly #batches = new Map<number, () => Promise<Receipt[]>>();
  #lastBatch = 0;

  constructor(owner: OwnerPort, periodic: PeriodicWriter) {
    this.#owner = owner;
    this.#periodic = periodic;
    this.#puts = new PutFollowUp((key, value) => owner.call('recheck', [key, toBuffer(value)]));
  }

  cache(key: string, data: Uint8Array, ttlMs: number, options?: WaitOptions): Promise<void> {
    return this.#owner.call('cache', [key, toBuffer(data), ttlMs], options);
  }

  exec<R>(task: Statement, options?: WaitOptions): Promise<Rows<R>> {
    return this.#owner.call('exec', [task], options) as Promise<Rows<R>>;
  }

  store<R>(
    key: string,
    data: Uint8Array,
    task: Task,
    ttlMs: number,
    options?: WaitOptions,
  ): Promise<Rows<R>> {
    return this.#owner.call('store', [key, toBuffer(data), task, ttlMs], options) as Promise<Rows<R>>;
  }

  storeAndReplace<R>(key: string, data: Uint8Array, task: Task, options?: WaitOptions): Promise<Rows<R>> {
    return this.#owner.call('storeAndReplace', [key, toBuffer(data), task], options) as Promise<Rows<R>>;
  }

  delay(key: string, task: Task, delayMs: number, options?: WaitOptions): Promise<void> {
    return this.#owner.call('delay', [key, task, delayMs], options);
  }

  periodic(key: string, task: Task, options?: SubmitOptions): Promise<Receipt> {
    return this.#periodic.submit(key, task, options);
  }

  followPut(key: string, value: Uint8Array, receipt: Receipt): void {
    this.#puts.follow(key, value, receipt);
  }

  replace(key: string, data: Uint8Array, options?: WaitOptions): Promise<boolean> {
    return this.#owner.call('replace', [key, toBuffer(data)], options);
  }

  forget(key: string, options?: WaitOptions): Promise<void> {
    return this.#owner.call('forget', [key], options);
  }

  remove<R>(key: string, statement: Statement, options?: WaitOptions): Promise<Rows<R>> {
    return this.#owner.call('remove', [key, statement], options) as Promise<Rows<R>>;
  }

  removeLater(key: string, statement: Statement, delayMs: number, options?: WaitOptions): Promise<void> {
    return this.#owner.call('removeLater', [key, statement, delayMs], options);
  }

  announce(keys: readonly string[], options?: WaitOptions): Promise<void> {
    return this.#owner.call('announce', [keys], options);
  }

  /** The owner runs it, and calls back for the periodic writes once the strong ones are committed. */
  async batch(entries: readonly BatchEntry[], options?: WaitOptions): Promise<BatchResult[]> {
    const id = ++this.#lastBatch;
    let receipts: Receipt[] = [];
    this.#batches.set(id, async () => {
      receipts = await submitPeriodic(this, entries, options);
      return receipts;
    });
    try {
      const results: BatchResult[] = await this.#owner.call('batch', [id, entries], options);
      followPuts(this, entries, receipts);
      let submitted = 0;
      for (const [at, { kind }] of entries.entries())
        if (kind === 'periodic') results[at] = receipts[submitted++];
      return results;
    } finally {
      this.#batches.delete(id);
    }
  }

  /** The receipts stay here: their promises are of this thread. */
  async submitBatch(id: number): Promise<undefined[]> {
    const receipts = await this.#batches.get(id)?.();
    return new Array<undefined>(receipts?.length ?? 0).fill(undefined);
  }
}

function toBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
