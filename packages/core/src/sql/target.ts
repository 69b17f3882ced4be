import { BoundedCache } from './bounded-cache.js';
import { quoteIdentifier, quoteTable } from './identifier.js';

/** Distinct (operation, condition) pairs remembered per column. */
const maxTexts = 64;
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
  /** Statement texts by form of operation, then by condition (and columns of the row to insert). */
  readonly #updates = new Map<string, BoundedCache<string>>();
  readonly #upserts = new Map<string, BoundedCache<string>>();

  /** Throws `InvalidTaskError` for names that are none. */
  constructor(table: string, column: string) {
    this.table = table;
    this.column = column;
    this.quotedTable = quoteTable(table);
    this.quotedColumn = quoteIdentifier(column);
  }

  /** The texts of one form of operation, of which a kind has ten at most. */
  texts(form: string, isUpsert: boolean): BoundedCache<string> {
    const forms = isUpsert ? this.#upserts : this.#updates;
    let texts = forms.get(form);
    if (texts === undefined) {
      texts = new BoundedCache(maxTexts);
      forms.set(form, texts);
    }
    return texts;
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
