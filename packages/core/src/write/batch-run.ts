import type { Durability, Receipt, Task } from '@zmsg/workers';
import type { Rows, WaitOptions } from '../store/store.js';
import type { CacheEntry, Row, Writer } from './writer.js';

/** One write of a batch. */
export type BatchEntry = { key: string } & (
  | { kind: 'cache'; cached: CacheEntry }
  | { kind: 'store'; task: Task; cached: CacheEntry }
  | { kind: 'delay'; task: Task; cached: CacheEntry; delayMs: number }
  | PeriodicEntry
);

export interface PeriodicEntry {
  kind: 'periodic';
  task: Task;
  /** Undefined: nothing is cached. */
  cached: CacheEntry | undefined;
  durability: Durability | undefined;
}

/** What the calls of a batch came to, in their order; undefined for calls that resolve with nothing. */
export type BatchResult = Rows<Row> | Receipt | undefined;

/** Hands the periodic writes of a batch to their shards; receipts in the order of the entries. */
export type SubmitAll = () => Promise<readonly (Receipt | undefined)[]>;

/**
 * Carries out collected writes: the strong ones in one transaction (if it fails, nothing else
 * happens), then the delayed and periodic ones, then all values in one cache pipeline.
 */
export function runBatch(
  writer: Writer,
  entries: readonly BatchEntry[],
  submitAll: SubmitAll,
  options?: WaitOptions,
): Promise<BatchResult[]> {
  const stores = entries.filter((entry) => entry.kind === 'store');
  const rest = async (rows: Rows<Row>[]): Promise<BatchResult[]> => {
    const delayed = entries.filter((entry) => entry.kind === 'delay');
    const [receipts] = await Promise.all([
      entries.some((entry) => entry.kind === 'periodic') ? submitAll() : [],
      ...delayed.map(({ key, task, delayMs }) => writer.delay(key, task, delayMs)),
    ]);
    const cached = entries.flatMap((entry) => entry.cached ?? []);
    if (cached.length > 0) await writer.cacheMany(cached);
    let stored = 0;
    let submitted = 0;
    return entries.map(({ kind }) => {
      if (kind === 'store') return rows[stored++];
      return kind === 'periodic' ? receipts[submitted++] : undefined;
    });
  };
  return stores.length === 0 ? rest([]) : writer.storeMany(stores, rest, options);
}

/** In their order. */
export function submitPeriodic(
  writer: Pick<Writer, 'periodic'>,
  entries: readonly BatchEntry[],
  options?: WaitOptions,
): Promise<Receipt[]> {
  return Promise.all(
    entries.flatMap((entry) =>
      entry.kind === 'periodic'
        ? [writer.periodic(entry.key, entry.task, { ...options, durability: entry.durability })]
        : [],
    ),
  );
}
