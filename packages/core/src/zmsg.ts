import { Store } from './store/store.js';

/** The engine of one node. */
export class ZMsg {
  readonly #store: Store;

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(options: { postgresDsn: string }): Promise<ZMsg> {
    const store = new Store({
      connectionString: options.postgresDsn,
      maxOpen: 5,
      maxIdle: 5,
      maxLifetimeMs: 300_000,
      connectTimeoutMs: 10_000,
      onIdleError: () => {},
    });
    await store.exec('SELECT 1');
    return new ZMsg(store);
  }

  exec(text: string, values: readonly unknown[] = []) {
    return this.#store.exec(text, values);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
