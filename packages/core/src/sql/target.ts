import { BoundedCache } from './bounded-cache.js';
import { quoteIdentifier, quoteTable } from './identifier.js';
import { TextCache } from './text-cache.js';

const maxTables = 256;
const maxColumns = 64;

/** A column of a table, validated once. `counter('feed_meta', 'like_count')` finds it by two look-ups. */
export class Target {
  /** As given. */
  readonly table: string;
  /** As given. */
  readonly column: string;
  readonly quotedTable: string;
  readonly quotedColumn: string;
  /** For messages, behind what is wrong: ` on feed_meta.like_count`. */
  readonly suffix: string;
  readonly texts = new TextCache();

  /** Throws `InvalidTaskError` for names that are none. */
  constructor(table: string, column: string) {
    this.table = table;
    this.column = column;
    this.quotedTable = quoteTable(table);
    this.quotedColumn = quoteIdentifier(column);
    this.suffix = ` on ${table}.${column}`;
  }
}

/** One value per (table, column), made once by `create`; 256 tables with 64 columns each are remembered. */
export class TargetCache<Value> {
  readonly #create: (target: Target) => Value;
  readonly #tables = new BoundedCache<BoundedCache<Value>>(maxTables);

  constructor(create: (target: Target) => Value) {
    this.#create = create;
  }

  get(table: string, column: string): Value {
    const known = this.#tables.get(table)?.get(column);
    if (known !== undefined) return known;
    // Created first: names that are refused are not remembered.
    const value = this.#create(new Target(table, column));
    let columns = this.#tables.get(table);
    if (columns === undefined) {
      columns = new BoundedCache(maxColumns);
      this.#tables.set(table, columns);
    }
    columns.set(column, value);
    return value;
  }
}
