import { InvalidTaskError } from '@zmsg/workers';
import { quoteIdentifier, quoteTable } from '../sql/index.js';
import type { Store } from '../store/store.js';
import type { ColumnSource, ColumnsSource } from './source.js';

const BYTEA_OID = 17;

/** One query for many keys of a table, its text made once. */
export class TableQuery {
  readonly #text: string;

  constructor(source: ColumnSource | ColumnsSource) {
    const table = quoteTable(source.table);
    const key = quoteIdentifier(source.key);
    this.#text = `SELECT ${key}::text, ${selectValue(source)} FROM ${table} AS t WHERE ${key} = ANY($1)`;
  }

  async load(keys: readonly string[], store: Store): Promise<Map<string, Buffer>> {
    const { oids, rows } = await store.execText(this.#text, [keys]);
    const isBytes = oids[1] === BYTEA_OID;
    const values = new Map<string, Buffer>();
    for (const [key, value] of rows) {
      if (key == null || value == null) continue;
      // bytea_output may be 'escape' in the server's configuration; the pool sets it to 'hex'.
      values.set(key, isBytes ? Buffer.from(value.slice(2), 'hex') : Buffer.from(value));
    }
    return values;
  }
}

function selectValue(source: ColumnSource | ColumnsSource): string {
  if ('column' in source) return quoteIdentifier(source.column);
  if (!Array.isArray(source.columns) || source.columns.length === 0) {
    throw new InvalidTaskError(`a loader of table ${JSON.stringify(source.table)} needs at least one column`);
  }
  const columns = source.columns.map((column) => `t.${quoteIdentifier(column)}`).join(', ');
  return `(SELECT row_to_json(c)::text FROM (SELECT ${columns}) AS c)`;
}
