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

type LoadFrom = (keys: readonly string[], store: Store) => Promise<ReadonlyMap<string, Buffer>>;

/** The same without a replica. */
interface Batches {
  readonly replica: LoadBatch;
  readonly primary: LoadBatch;
}

/** Keys of one loader. */
export interface DirectLoad {
  readonly keys: readonly string[];
  readonly isOwnTable: boolean;
  load(): Promise<ReadonlyMap<string, Buffer>>;
}

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
  readonly #primary: Store;
  /** Longest prefix first. */
  readonly #byPrefix: (Batches & { prefix: string; load: LoadFrom })[] = [];
  readonly #default: Batches;
  readonly #loadDefault: LoadFrom = this.#tableLoad(new TableQuery(DEFAULT_SOURCE));
  /** Keys asked of the database. */
  loads = 0;
  queries = 0;

  /** @param store May be a replica, which lacks the last writes */
  constructor(store: Store, primary: Store = store) {
    this.#store = store;
    this.#primary = primary;
    this.#default = this.#batches(this.#loadDefault);
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
    const at = this.#byPrefix.findIndex((each) => each.prefix === prefix);
    if (at >= 0) this.#byPrefix.splice(at, 1);
    this.#byPrefix.push({ prefix, load, ...this.#batches(load) });
    this.#byPrefix.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  /** `from`: whether the last writes must be seen. */
  load(key: string, from: 'replica' | 'primary' = 'replica'): Promise<Buffer | undefined> {
    const batches = this.#byPrefix.find(({ prefix }) => key.startsWith(prefix)) ?? this.#default;
    return batches[from].get(key);
  }

  /**
   * The keys by their loaders. `load` asks `store` now: past what waits for a batch, past a replica, and
   * uncounted. `isOwnTable`: they are looked for in `zmsg_data`.
   */
  direct(keys: readonly string[], store: Store): DirectLoad[] {
    const groups = new Map<LoadFrom, string[]>();
    for (const key of keys) {
      const load = this.#byPrefix.find(({ prefix }) => key.startsWith(prefix))?.load ?? this.#loadDefault;
      const group = groups.get(load);
      if (group === undefined) groups.set(load, [key]);
      else group.push(key);
    }
    return [...groups].map(([load, group]) => ({
      keys: group,
      isOwnTable: load === this.#loadDefault,
      load: () => load(group, store),
    }));
  }

  #batches(load: LoadFrom): Batches {
    const replica = new LoadBatch(this.#counted(load, this.#store));
    if (this.#primary === this.#store) return { replica, primary: replica };
    return { replica, primary: new LoadBatch(this.#counted(load, this.#primary)) };
  }

  #counted(load: LoadFrom, store: Store): BatchLoad {
    return (keys) => {
      this.loads += keys.length;
      this.queries += 1;
      return load(keys, store);
    };
  }

  #tableLoad(query: TableQuery): LoadFrom {
    return async (keys, store) => {
      try {
        return await query.load(keys, store);
      } catch (error) {
        const isData = error instanceof StoreError && DATA_EXCEPTION.test(error.sqlState ?? '');
        if (!isData) throw error;
        return keys.length === 1 ? new Map() : this.#oneByOne(query, keys, store);
      }
    };
  }

  /** A key that the column's type refuses ("abc" for a bigint) is absent; the others are loaded. */
  async #oneByOne(query: TableQuery, keys: readonly string[], store: Store): Promise<Map<string, Buffer>> {
    const values = new Map<string, Buffer>();
    for (const key of keys) {
      try {
        for (const [found, value] of await query.load([key], store)) values.set(found, value);
      } catch (error) {
        if (!(error instanceof StoreError && DATA_EXCEPTION.test(error.sqlState ?? ''))) throw error;
      }
    }
    return values;
  }

  #callLoad(load: LoadFunction): LoadFrom {
    return async (keys, store) => {
      const found = await load(keys, store);
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
