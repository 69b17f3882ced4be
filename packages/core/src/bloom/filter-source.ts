import { type KeyTable, type ScanStore, scanKeys } from './key-source.js';

export interface FilterSourceOptions {
  /** No scan begins before: rows that an earlier process of this node announced may still be on their way. */
  readonly scanAfter: Promise<void>;
  readonly store: ScanStore;
  readonly table: KeyTable;
  readonly add: (key: string) => void;
  readonly onFailed: (error: unknown) => void;
  readonly onComplete: (rows: number) => void;
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;

/**
 * One table's keys in the filter.
 *
 *     scanning ──▶ complete ──(restart)──▶ scanning
 *        │  ▲
 *        ▼  │ after 0.1 s, doubling up to 30 s
 *      failed
 */
export class FilterSource {
  readonly prefix: string;
  readonly #options: FilterSourceOptions;
  /** The scan that runs or waits to be tried again; aborted when it does not count any more. */
  #scan = new AbortController();
  #completeUnder: number | undefined;
  #waiting: (() => void)[] = [];

  constructor(options: FilterSourceOptions) {
    this.#options = options;
    this.prefix = options.table.prefix;
  }

  /** The incarnation that the last complete scan began in; undefined before. */
  get completeUnder(): number | undefined {
    return this.#completeUnder;
  }

  /** Resolves when a scan is complete, or the source was stopped. */
  complete(): Promise<void> {
    if (this.#completeUnder !== undefined || this.#scan.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Reads the table (again); from now until that is done the source is not complete. */
  restart(incarnation: number): void {
    this.#scan.abort();
    this.#completeUnder = undefined;
    this.#scan = new AbortController();
    void this.#attempt(incarnation, this.#scan.signal, FIRST_RETRY_MS);
  }

  stop(): void {
    this.#scan.abort();
    this.#completeUnder = undefined;
    this.#settle();
  }

  /** Never rejects. */
  async #attempt(incarnation: number, signal: AbortSignal, retryMs: number): Promise<void> {
    const { scanAfter, store, table, add, onFailed, onComplete } = this.#options;
    let rows = 0;
    await scanAfter;
    if (signal.aborted) return;
    try {
      await scanKeys(
        store,
        table,
        (keys) => {
          rows += keys.length;
          for (const text of keys) {
            const key = table.toKey === undefined ? text : table.toKey(text);
            // Keys of other prefixes are never looked up here: they would only fill the filter.
            if (key.startsWith(table.prefix)) add(key);
          }
        },
        signal,
      );
    } catch (error) {
      if (signal.aborted) return;
      onFailed(error);
      const again = () => {
        if (!signal.aborted) void this.#attempt(incarnation, signal, Math.min(retryMs * 2, MAX_RETRY_MS));
      };
      setTimeout(again, retryMs).unref();
      return;
    }
    if (signal.aborted) return;
    this.#completeUnder = incarnation;
    onComplete(rows);
    this.#settle();
  }

  #settle(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
