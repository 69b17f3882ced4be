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
export async function runBatch(
  writer: Writer,
  entries: readonly BatchEntry[],
  submitAll: SubmitAll,
  options?: WaitOptions,
): Promise<BatchResult[]> {
  // What the batch puts under a key last.
  const cached = new Map(entries.flatMap(({ cached: entry }) => (entry ? [[entry.key, entry]] : [])));
  const stores = entries.filter((entry) => entry.kind === 'store');
  let rows: Rows<Row>[] = [];
  if (stores.length > 0) {
    const writes = stores.map(({ key, task }) => ({ key, task, cached: cached.get(key) }));
    rows = await writer.storeMany(writes, options);
    for (const { key } of stores) cached.delete(key);
  }
  const delayed = entries.filter((entry) => entry.kind === 'delay');
  const [receipts] = await Promise.all([
    entries.some((entry) => entry.kind === 'periodic') ? submitAll() : [],
    ...delayed.map(({ key, task, delayMs }) => writer.delay(key, task, delayMs)),
  ]);
  if (cached.size > 0) await writer.cacheMany([...cached.values()]);
  followPuts(writer, entries, receipts);
  let stored = 0;
  let submitted = 0;
  return entries.map(({ kind }) => {
    if (kind === 'store') return rows[stored++];
    return kind === 'periodic' ? receipts[submitted++] : undefined;
  });
}

/** In the thread that has the receipts. */
export function followPuts(
  writer: Pick<Writer, 'followPut'>,
  entries: readonly BatchEntry[],
  receipts: readonly (Receipt | undefined)[],
): void {
  let submitted = 0;
  for (const entry of entries) {
    if (entry.kind !== 'periodic') continue;
    const receipt = receipts[submitted++];
    if (entry.cached && receipt) writer.followPut(entry.key, entry.cached.value, receipt);
  }
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
