import type { Session } from '../store/store.js';

interface TableSource {
  /** `name` or `schema.name`. */
  table: string;
  /** The column that holds the cache key, prefix included. */
  key: string;
  /** False: the Bloom filter lets every key of this prefix pass. @default true */
  bloom?: boolean;
}

/** The value is one column: the bytes of a `bytea`, the text of anything else. SQL NULL is absent. */
export interface ColumnSource extends TableSource {
  column: string;
}

/** The value is a JSON object of these columns, as PostgreSQL writes it. */
export interface ColumnsSource extends TableSource {
  columns: readonly string[];
}

/** Answers for many keys at once; a key that is not in the map is absent. Strings are stored as UTF-8. */
export type LoadFunction = (
  keys: readonly string[],
  db: Session,
) => Promise<ReadonlyMap<string, Uint8Array | string>>;

/** Where `get` finds the keys of a prefix. */
export type LoaderSource = ColumnSource | ColumnsSource | LoadFunction;
