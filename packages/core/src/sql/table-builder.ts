import { type CounterBuilder, counter } from './counter-builder.js';
import { quoteIdentifier, quoteTable } from './identifier.js';
import { type MapBuilder, map } from './map-builder.js';
import { type SliceBuilder, slice } from './slice-builder.js';

/** A column, before it is said what it holds. */
export class ColumnBuilder {
  readonly #table: string;
  readonly #column: string;

  /** Use `table(…).column(…)`. */
  constructor(table: string, column: string) {
    this.#table = table;
    this.#column = column;
    quoteIdentifier(column);
  }

  /**
   * The column as a number, see `counter`.
   *
   * @example
   * table('feed_meta').column('like_count').counter().inc(1).where('id = ?', feedId)
   */
  counter(): CounterBuilder {
    return counter(this.#table, this.#column);
  }

  /**
   * The column as a JSON array, see `slice`.
   *
   * @example
   * table('feed_meta').column('tags').slice().add('tag1').where('id = ?', feedId)
   */
  slice(): SliceBuilder {
    return slice(this.#table, this.#column);
  }

  /**
   * The column as a JSON object, see `map`.
   *
   * @example
   * table('feed_meta').column('extra').map().set('key', 'val').where('id = ?', feedId)
   */
  map(): MapBuilder {
    return map(this.#table, this.#column);
  }
}

/** A table, given as `name` or `schema.name`. */
export class TableBuilder {
  readonly #table: string;

  /** Use `table`. */
  constructor(name: string) {
    this.#table = name;
    quoteTable(name);
  }

  /**
   * One of its columns. Throws `InvalidTaskError` for a name that is none.
   *
   * @example
   * table('feed_meta').column('like_count').counter().inc(1).where('id = ?', feedId)
   */
  column(name: string): ColumnBuilder {
    return new ColumnBuilder(this.#table, name);
  }
}

/**
 * The long form of `counter`, `slice` and `map`. Throws `InvalidTaskError` for a name that is none.
 *
 * @example
 * table('feed_meta').column('like_count').counter().inc(1).where('id = ?', feedId)
 */
export function table(name: string): TableBuilder {
  return new TableBuilder(name);
}
