import { StoreError } from '@zmsg/workers';
import pg from 'pg';

export interface StoreOptions {
  connectionString: string;
  maxOpen: number;
  maxIdle: number;
  maxLifetimeMs: number;
  /** Longest wait for a connection, milliseconds. */
  connectTimeoutMs: number;
  onIdleError: (error: Error) => void;
}

export interface Rows<Row> {
  /** Rows changed or returned. */
  rowCount: number;
  rows: Row[];
}

/** What a transaction's function gets. */
export interface Session {
  /** Without values, `text` may hold several statements; they run as one simple query. */
  exec<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Rows<Row>>;
}

export interface WaitOptions {
  signal?: AbortSignal | undefined;
}

/** The pool of connections to PostgreSQL, with typed errors, abort and an idle bound. */
export class Store implements Session {
  readonly #pool: pg.Pool;
  readonly #maxIdle: number;
  /** Statements sent on behalf of callers, BEGIN and COMMIT not counted. */
  statements = 0;

  constructor(options: StoreOptions) {
    this.#maxIdle = options.maxIdle;
    this.#pool = new pg.Pool({
      connectionString: options.connectionString,
      max: options.maxOpen,
      maxLifetimeSeconds: Math.max(1, Math.ceil(options.maxLifetimeMs / 1000)),
      idleTimeoutMillis: 30_000,
      connectionTimeoutMillis: options.connectTimeoutMs,
      application_name: 'zmsg',
    });
    this.#pool.on('error', options.onIdleError);
  }

  async exec<Row = Record<string, unknown>>(
    text: string,
    values: readonly unknown[] = [],
    options?: WaitOptions,
  ): Promise<Rows<Row>> {
    return this.#withClient((client) => this.#run<Row>(client, text, values), options);
  }

  /** Runs `body` in one transaction: committed when it resolves, rolled back when it rejects. */
  async transaction<T>(body: (session: Session) => Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#withClient(async (client) => {
      await this.#control(client, 'BEGIN');
      let result: T;
      try {
        result = await body({ exec: (text, values = []) => this.#run(client, text, values) });
      } catch (error) {
        // The first error is the one to report; a connection that cannot roll back is discarded by pg.
        await client.query('ROLLBACK').catch(() => {});
        throw error;
      }
      await this.#control(client, 'COMMIT');
      return result;
    }, options);
  }

  /**
   * Runs `body` on one connection outside of a transaction, for work that a session must hold together.
   * The connection is closed afterwards, so that no session state (SET, locks) reaches later callers.
   */
  async session<T>(body: (session: Session) => Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#withClient(
      (client) => body({ exec: (text, values = []) => this.#run(client, text, values) }),
      {
        ...options,
        discard: true,
      },
    );
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #control(client: pg.PoolClient, text: 'BEGIN' | 'COMMIT'): Promise<void> {
    try {
      await client.query(text);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  async #run<Row>(client: pg.PoolClient, text: string, values: readonly unknown[]): Promise<Rows<Row>> {
    this.statements += 1;
    try {
      const result = await client.query(text, values as unknown[]);
      return { rowCount: result.rowCount ?? 0, rows: result.rows as Row[] };
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /**
   * An aborted call rejects at once. Its statement goes on in the background (PostgreSQL has no
   * cheap cancel) and the connection returns to the pool when it is done.
   */
  async #withClient<T>(
    body: (client: pg.PoolClient) => Promise<T>,
    options?: WaitOptions & { discard?: boolean },
  ): Promise<T> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const work = async (): Promise<T> => {
      let client: pg.PoolClient;
      try {
        client = await this.#pool.connect();
      } catch (error) {
        throw toStoreError(error);
      }
      let broken: Error | undefined;
      const onError = (error: Error) => {
        broken = error;
      };
      client.on('error', onError);
      try {
        signal?.throwIfAborted();
        return await body(client);
      } finally {
        client.off('error', onError);
        client.release(broken ?? (options?.discard === true || this.#pool.idleCount >= this.#maxIdle));
      }
    };
    return signal === undefined ? work() : raceAbort(work(), signal);
  }
}

/** Settles as `promise` does, or rejects with the signal's reason if that comes first. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Wraps what `pg` throws; the message is PostgreSQL's, without the connection string. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const cause = error as Error & { code?: string; errors?: Error[] };
  const message = cause.message || cause.errors?.map((each) => each.message).join('; ') || String(error);
  const sqlState = /^[0-9A-Z]{5}$/.test(cause.code ?? '') ? cause.code : undefined;
  return new StoreError(message, { cause: error, sqlState });
}
