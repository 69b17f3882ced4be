import pg from 'pg';
import type { Store } from '../store/store.js';

/** A table whose keys the filter learns by reading them. */
export interface KeyTable {
  /** Keys that start with it are looked up here; the longest one that fits wins. */
  readonly prefix: string;
  /** Name, or `schema.name`; quoted here. */
  readonly table: string;
  /** Column of any type that has a text form: keys are `column::text`. */
  readonly key: string;
  /** Key of a column's text, where the loader does not look the text up as it is. */
  readonly toKey?: ((text: string) => string) | undefined;
}

export type ScanStore = Pick<Store, 'transaction'>;

const FETCH = 'FETCH FORWARD 10000 FROM zmsg_bloom';

/**
 * Reads all keys of a table, 10,000 at a time, and passes each batch on.
 *
 * A cursor rather than pages by key: it takes any column type, indexed or not, in one pass, and all
 * of it is one snapshot, taken after the call began. The price is a connection and an open snapshot
 * while it runs. Rows that are committed later are not seen: whoever writes them adds them first.
 *
 * @throws the store's error; the signal's reason, between two batches.
 */
export async function scanKeys(
  store: ScanStore,
  { table, key }: KeyTable,
  onKeys: (keys: readonly string[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const from = table.split('.').map((part) => pg.escapeIdentifier(part));
  const column = pg.escapeIdentifier(key);
  await store.transaction(async (session) => {
    await session.exec(
      `DECLARE zmsg_bloom NO SCROLL CURSOR FOR
       SELECT ${column}::text AS key FROM ${from.join('.')} WHERE ${column} IS NOT NULL`,
    );
    for (;;) {
      signal.throwIfAborted();
      const { rows } = await session.exec<{ key: string }>(FETCH);
      if (rows.length === 0) return;
      onKeys(rows.map((row) => row.key));
    }
  });
}
