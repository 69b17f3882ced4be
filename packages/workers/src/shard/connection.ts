import pg from 'pg';
import type { ShardStoreOptions } from '../shards.js';
import type { Board } from './board.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** No statement of a flush takes this long unless the connection is dead. */
const QUERY_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 1_000;
/** A shard that waits for a connection looks again this often, should a wake-up be lost. */
const PERMIT_POLL_MS = 100;
/** A shard that keeps a connection others may want looks this often whether they do, and no longer than that. */
const LINGER_LOOK_MS = 20;
const LINGER_MS = 1_000;

/**
 * A shard's connection to PostgreSQL, opened when it is first needed.
 *
 * ```
 * closed ─ use ─▶ waiting for a permit ─▶ connecting ─▶ open ─ release ─▶ open (kept) or closed
 *    ▲                                                    │
 *    └──────────── error, age, time-out ──────────────────┘
 * ```
 *
 * All shards share a budget of permits. With one for each shard a connection is kept between flushes.
 * With fewer it lingers for a second after its last use, unless another shard waits for a permit: to
 * connect anew for each flush would cost PostgreSQL several times what the flush does.
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
  #inUse = false;
  #releasedAt = 0;
  #linger: NodeJS.Timeout | undefined;

  constructor(shard: number, board: Board, options: ShardStoreOptions) {
    this.#shard = shard;
    this.#board = board;
    this.#options = options;
    this.#isKept = options.maxConnections >= board.shards;
  }

  /** @throws what `pg` throws when the server cannot be reached. */
  async client(): Promise<pg.Client> {
    this.#inUse = true;
    clearTimeout(this.#linger);
    if (this.#client !== undefined && performance.now() - this.#openedAt > this.#options.maxLifetimeMs) {
      await this.#end(this.#client);
    }
    return this.#client ?? (await this.#connect());
  }

  /** After each use. `broken`: the connection's state is not known. */
  async release(broken: boolean): Promise<void> {
    this.#inUse = false;
    this.#releasedAt = performance.now();
    const isWanted = !this.#isKept && this.#board.permitWaiters > 0;
    if (broken || isWanted || this.#client === undefined) await this.#giveBack();
    else if (!this.#isKept) this.#lingerOn();
  }

  async close(): Promise<void> {
    clearTimeout(this.#linger);
    await this.release(true);
  }

  async #giveBack(): Promise<void> {
    if (this.#client !== undefined) await this.#end(this.#client);
    // Unless it was taken into use again meanwhile, which needs the permit.
    if (!this.#inUse) this.#board.releasePermit(this.#shard);
  }

  #lingerOn(): void {
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => {
      if (this.#inUse) return;
      const isOver = performance.now() - this.#releasedAt >= LINGER_MS;
      if (isOver || this.#board.permitWaiters > 0)
        void this.#giveBack(); // never rejects
      else this.#lingerOn();
    }, LINGER_LOOK_MS);
  }

  async #connect(): Promise<pg.Client> {
    await this.#takePermit();
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

  async #takePermit(): Promise<void> {
    if (this.#board.tryTakePermit(this.#shard)) return;
    this.#board.addPermitWaiter(this.#shard);
    try {
      while (!this.#board.tryTakePermit(this.#shard)) await this.#board.permit(PERMIT_POLL_MS);
    } finally {
      this.#board.removePermitWaiter(this.#shard);
    }
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
