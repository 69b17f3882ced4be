import pg from 'pg';
import { ThreadEndedError } from '../error.js';
import { checkLoader } from '../load/loaders.js';
import type { LoaderSource, LoadFunction } from '../load/source.js';
import type { Rows, Session } from '../store/store.js';
import type { OwnerPort } from './owner-port.js';

/** Exported by `pg` since 8.0, missing in its types. */
const { utils } = pg as typeof pg & { utils: { prepareValue(value: unknown): string | Buffer | null } };

/** The loaders that this thread registers: tables are the owner's, functions run here when it asks. */
export class AttachedLoaders {
  readonly #owner: OwnerPort;
  readonly #functions = new Map<string, LoadFunction>();
  readonly #db: Session;

  constructor(owner: OwnerPort) {
    this.#owner = owner;
    this.#db = {
      // Values are sent as what `pg` makes of them, so that it does not matter what they are.
      exec: async <Row>(text: string, values?: readonly unknown[]) =>
        owner.call('loaderStatement', [text, values?.map((value) => utils.prepareValue(value))]) as Promise<
          Rows<Row>
        >,
    };
  }

  /** @throws InvalidKeyError, InvalidTaskError as at the owner's */
  add(prefix: string, source: LoaderSource, options: { bloom?: boolean } | undefined): void {
    checkLoader(prefix, source);
    if (typeof source === 'function') this.#functions.set(prefix, source);
    const table = typeof source === 'function' ? undefined : source;
    // Calls go in order: whoever reads next finds it. Refused only when the engine is closed, as are the reads.
    this.#owner.call('addLoader', [prefix, table, options]).catch(() => {});
  }

  async load(prefix: string, keys: readonly string[]): Promise<ReadonlyMap<string, Uint8Array | string>> {
    const load = this.#functions.get(prefix);
    if (load === undefined)
      throw new ThreadEndedError(`no loader of ${JSON.stringify(prefix)} in this thread`);
    return load(keys, this.#db);
  }
}
