import { InvalidValueError, StoreError } from '@zmsg/workers';
import { InvalidKeyError } from '../error.js';
import { typeOf } from '../key.js';
import type { Store } from '../store/store.js';
import { type BatchLoad, LoadBatch } from './load-batch.js';
import type { LoaderSource, LoadFunction } from './source.js';
import { TableQuery } from './table-query.js';

/** Invalid input for a type or an encoding: one key that does not fit fails the whole query. */
const DATA_EXCEPTION = /^22/;

const DEFAULT_SOURCE = { table: 'zmsg_data', key: 'id', column: 'data' } as const;

/**
 * What `register` would refuse, where there is nothing to register at.
 *
 * @throws InvalidKeyError, InvalidTaskError
 */
export function checkLoader(prefix: string, source: LoaderSource): void {
  checkPrefix(prefix);
  if (typeof source !== 'function') new TableQuery(source);
}

function checkPrefix(prefix: string): void {
  if (typeof prefix !== 'string' || prefix === '') {
    throw new InvalidKeyError('the prefix of a loader must be a non-empty string');
  }
}

/** Where keys are found in the database: the loader with the longest prefix, else `zmsg_data`. */
export class Loaders {
  readonly #store: Store;
  /** Longest prefix first. */
  readonly #byPrefix: { prefix: string; batch: LoadBatch }[] = [];
  readonly #default: LoadBatch;
  /** Keys asked of the database. */
  loads = 0;
  queries = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#default = new LoadBatch(this.#counted(this.#tableLoad(new TableQuery(DEFAULT_SOURCE))));
  }

  /**
   * Registers or replaces the loader of a prefix.
   *
   * @throws InvalidKeyError for an empty prefix, InvalidTaskError for a table or column that is no identifier
   */
  register(prefix: string, source: LoaderSource): void {
    checkPrefix(prefix);
    const load =
      typeof source === 'function' ? this.#callLoad(source) : this.#tableLoad(new TableQuery(source));
    const batch = new LoadBatch(this.#counted(load));
    const at = this.#byPrefix.findIndex((each) => each.prefix === prefix);
    if (at >= 0) this.#byPrefix.splice(at, 1);
    this.#byPrefix.push({ prefix, batch });
    this.#byPrefix.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  load(key: string): Promise<Buffer | undefined> {
    for (const { prefix, batch } of this.#byPrefix) {
      if (key.startsWith(prefix)) return batch.get(key);
    }
    return this.#default.get(key);
  }

  #counted(load: BatchLoad): BatchLoad {
    return (keys) => {
      this.loads += keys.length;
      this.queries += 1;
      return load(keys);
    };
  }

  #tableLoad(query: TableQuery): BatchLoad {
    return async (keys) => {
      try {
        return await query.load(keys, this.#store);
      } catch (error) {
        const isData = error instanceof StoreError && DATA_EXCEPTION.test(error.sqlState ?? '');
        if (!isData) throw error;
        return keys.length === 1 ? new Map() : this.#oneByOne(query, keys);
      }
    };
  }

  /** A key that the column's type refuses ("abc" for a bigint) is absent; the others are loaded. */
  async #oneByOne(query: TableQuery, keys: readonly string[]): Promise<Map<string, Buffer>> {
    const values = new Map<string, Buffer>();
    for (const key of keys) {
      try {
        for (const [found, value] of await query.load([key], this.#store)) values.set(found, value);
      } catch (error) {
        if (!(error instanceof StoreError && DATA_EXCEPTION.test(error.sqlState ?? ''))) throw error;
      }
    }
    return values;
  }

  #callLoad(load: LoadFunction): BatchLoad {
    return async (keys) => {
      const found = await load(keys, this.#store);
      if (!(found instanceof Map)) {
        throw new InvalidValueError(`a loader must resolve with a Map, not ${typeOf(found)}`);
      }
      const values = new Map<string, Buffer>();
      for (const [key, value] of found) {
        if (typeof value === 'string') values.set(key, Buffer.from(value));
        else if (value instanceof Uint8Array) values.set(key, Buffer.from(value));
        else if (value != null) {
          throw new InvalidValueError(
            `a loader gave ${typeOf(value)} for ${JSON.stringify(key)}, not a Uint8Array or string`,
          );
        }
      }
      return values;
    };
  }
}
