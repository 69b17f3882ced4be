import { ThreadEndedError } from '../error.js';
import type { LoaderSource, LoadFunction } from '../load/source.js';
import type { AttachedThread } from './attached-thread.js';

type TableSource = Exclude<LoaderSource, LoadFunction>;
type Options = { bloom?: boolean } | undefined;

/** What the threads registered for a prefix: a table, as text to compare with, or functions that live in them. */
type Registration = { readonly table: string } | { readonly threads: AttachedThread[] };

/**
 * The loaders that attached threads registered. All threads run the same application, so each prefix comes
 * once per thread: a table that is known already is not scanned again, and a function is called in the threads
 * that registered it in turns. When one of them ends during a load, the next one is asked.
 */
export class ThreadLoaders {
  readonly #register: (prefix: string, source: LoaderSource, options: Options) => void;
  readonly #byPrefix = new Map<string, Registration>();

  constructor(register: (prefix: string, source: LoaderSource, options: Options) => void) {
    this.#register = register;
  }

  /** Without a source: a function in that thread. */
  add(thread: AttachedThread, prefix: string, source: TableSource | undefined, options: Options): void {
    const known = this.#byPrefix.get(prefix);
    if (source !== undefined) {
      const table = JSON.stringify([source, options]);
      if (known !== undefined && 'table' in known && known.table === table) return;
      this.#register(prefix, source, options);
      this.#byPrefix.set(prefix, { table });
    } else if (known !== undefined && 'threads' in known) {
      if (!known.threads.includes(thread)) known.threads.push(thread);
    } else {
      const threads = [thread];
      this.#register(prefix, (keys) => load(prefix, threads, keys), options);
      this.#byPrefix.set(prefix, { threads });
    }
  }

  /** The owner has registered the prefix itself: the newest registration counts. */
  superseded(prefix: string): void {
    this.#byPrefix.delete(prefix);
  }

  removeAll(thread: AttachedThread): void {
    for (const registration of this.#byPrefix.values()) {
      if (!('threads' in registration)) continue;
      const at = registration.threads.indexOf(thread);
      if (at >= 0) registration.threads.splice(at, 1);
    }
  }
}

async function load(
  prefix: string,
  threads: AttachedThread[],
  keys: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array | string>> {
  for (;;) {
    const thread = threads.shift();
    if (thread === undefined) {
      throw new ThreadEndedError(
        `no thread with the loader of ${JSON.stringify(prefix)} is attached any more`,
      );
    }
    threads.push(thread);
    try {
      return await thread.port.call('load', [prefix, keys]);
    } catch (error) {
      if (!thread.hasEnded) throw error;
    }
  }
}
