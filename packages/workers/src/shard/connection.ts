import pg from 'pg';
import type { ShardStoreOptions } from '../shards.js';
import type { Board } from './board.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** No statement of a flush takes this long unless the connection is dead. */
const QUERY_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 1_000;
/** A shard that waits for a connection looks again this often, should a wake-up be lost. */
const PERMIT_POLL_MS = 100;

/**
 * A shard's connection to PostgreSQL, opened when it is first needed.
 *
 * ```
 * closed ─ use ─▶ waiting for a permit ─▶ connecting ─▶ open ─ release ─▶ open (kept) or closed
 *    ▲                                                    │
 *    └──────────── error, age, time-out ──────────────────┘
 * ```
 *
 * All shards share a budget of permits. With one for each shard a connection is kept between
 * flushes; with fewer it is given back after each, so that the others get their turn.
 *
 * Time-outs are kept on this side: a startup parameter such as `statement_timeout` is refused by
 * connection poolers, and does not help when the other host is gone.
 */
export class Connection {
  readonly #shard: number;
  readonly #board: Board;
  readonly #options: ShardStoreOptions;
  readonly #isKept: boolean;
  #client: pg.Client | undefined;
  #openedAt = 0;

  constructor(shard: number, board: Board, options: ShardStoreOptions) {
    this.#shard = shard;
    this.#board = board;
    this.#options = options;
    this.#isKept = options.maxConnections >= board.shards;
  }

  /** @throws what `pg` throws when the server cannot be reached. */
  async client(): Promise<pg.Client> {
    if (this.#client !== undefined && performance.now() - this.#openedAt > this.#options.maxLifetimeMs) {
      await this.#end(this.#client);
    }
    return this.#client ?? (await this.#connect());
  }

  /** After each use. `broken`: the connection's state is not known. */
  async release(broken: boolean): Promise<void> {
    const client = this.#client;
    if (client !== undefined && (broken || !this.#isKept)) await this.#end(client);
    if (this.#client === undefined) this.#board.releasePermit(this.#shard);
  }

  async close(): Promise<void> {
    await this.release(true);
  }

  async #connect(): Promise<pg.Client> {
    while (!this.#board.tryTakePermit(this.#shard)) await this.#board.permit(PERMIT_POLL_MS);
    const client = new pg.Client({
      connectionString: this.#options.connectionString,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
      application_name: `zmsg shard ${this.#shard}`,
    });
    // A connection that breaks while nobody uses it is replaced at the next use; one that breaks in
    // use rejects the query.
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    try {
      await client.connect();
    } catch (error) {
      this.#board.releasePermit(this.#shard);
      throw error;
    }
    this.#client = client;
    this.#openedAt = performance.now();
    return client;
  }

  async #end(client: pg.Client): Promise<void> {
    if (this.#client === client) this.#client = undefined;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        client.connection.stream.destroy();
        resolve();
      }, END_TIMEOUT_MS);
    });
    // An error while saying goodbye changes nothing.
    await Promise.race([client.end().catch(() => {}), timeout]);
    clearTimeout(timer);
  }
}
