import { Socket } from 'node:net';
import { StoreError } from '@zmsg/workers';
import pg from 'pg';

export interface StoreOptions {
  connectionString: string;
  maxOpen: number;
  /** Kept open while unused. */
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

const CLOSE_TIMEOUT_MS = 10_000;
/**
 * Connections above `maxIdle` are closed when nothing used them for so long, not as soon as one is free: calls
 * come in bursts, and with 650 of them in 3 s some 60 connections were opened and closed again.
 */
const SURPLUS_IDLE_MS = 5_000;

/** Rows as PostgreSQL wrote them. */
export interface TextRows {
  /** Type of each column. */
  oids: number[];
  rows: (string | null)[][];
}

const AS_TEXT = { getTypeParser: () => (text: string) => text };

/** What a transaction's function gets. */
export interface Session {
  /** Without `values` (not even `[]`), `text` may hold several statements; they run as one simple query. */
  exec<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Rows<Row>>;
}

export interface WaitOptions {
  /** Gives up waiting for a connection. What was sent to PostgreSQL goes on. */
  signal?: AbortSignal | undefined;
}

export interface StatementOptions extends WaitOptions {
  /**
   * The signal also ends the connection that the statement was sent on: for statements that may come
   * late or twice, where the connection may be half-open. The rejection is the signal's reason.
   */
  cut?: boolean;
}

/** The pool of connections to PostgreSQL, with typed errors, abort and an idle bound. */
export class Store implements Session {
  readonly #pool: pg.Pool;
  readonly #sockets = new Set<Socket>();
  /** Statements sent on behalf of callers, BEGIN and COMMIT not counted. */
  statements = 0;

  constructor(options: StoreOptions) {
    this.#pool = new pg.Pool({
      connectionString: options.connectionString,
      max: options.maxOpen,
      maxLifetimeSeconds: Math.max(1, Math.ceil(options.maxLifetimeMs / 1000)),
      min: options.maxIdle,
      idleTimeoutMillis: SURPLUS_IDLE_MS,
      connectionTimeoutMillis: options.connectTimeoutMs,
      application_name: 'zmsg',
      // A peer that vanished without a word is noticed in minutes, not hours.
      keepAlive: true,
      stream: () => this.#openSocket(),
    });
    this.#pool.on('error', options.onIdleError);
    // A session that is ended as it opens says so before the one who asked for it can listen, and an
    // `error` that nobody hears ends the process.
    this.#pool.on('connect', (client) => client.on('error', () => {}));
  }

  async exec<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: StatementOptions,
  ): Promise<Rows<Row>> {
    return this.#withClient((client) => this.#run<Row>(client, text, values), options);
  }

  /** Like `exec`, with every value as PostgreSQL's own text and the type of each column. */
  async execText(text: string, values: readonly unknown[], options?: WaitOptions): Promise<TextRows> {
    return this.#withClient(async (client) => {
      this.statements += 1;
      try {
        const result = await client.query({
          text,
          values: values as unknown[],
          rowMode: 'array',
          types: AS_TEXT,
        });
        return {
          oids: result.fields.map((field) => field.dataTypeID),
          rows: result.rows as TextRows['rows'],
        };
      } catch (error) {
        throw toStoreError(error);
      }
    }, options);
  }

  /** Runs `body` in one transaction: committed when it resolves, rolled back when it rejects. */
  async transaction<T>(body: (session: Session) => Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#withClient(async (client) => {
      await this.#control(client, 'BEGIN');
      let result: T;
      try {
        result = await body({ exec: (text, values) => this.#run(client, text, values) });
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
    return this.#withClient((client) => body({ exec: (text, values) => this.#run(client, text, values) }), {
      ...options,
      discard: true,
    });
  }

  /** Waits for statements under way, at most `timeoutMs`; then cuts what is left. */
  async close(timeoutMs: number = CLOSE_TIMEOUT_MS): Promise<void> {
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, timeoutMs);
    await this.#pool.end();
    clearTimeout(cut);
  }

  #openSocket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

  async #control(client: pg.PoolClient, text: 'BEGIN' | 'COMMIT'): Promise<void> {
    let answer: string;
    try {
      ({ command: answer } = await client.query(text));
    } catch (error) {
      throw toStoreError(error);
    }
    // The answer to the COMMIT of a transaction in which a statement had failed is ROLLBACK.
    if (answer !== text)
      throw new StoreError(`PostgreSQL answered ${answer} to ${text}`, { sqlState: '25P02' });
  }

  async #run<Row>(client: pg.PoolClient, text: string, values?: readonly unknown[]): Promise<Rows<Row>> {
    this.statements += 1;
    try {
      // With values, even none, the extended protocol: it takes one statement, so that no text of a
      // caller's can end the transaction that it runs in.
      const result = await client.query(values === undefined ? { text } : extended(text, values));
      return { rowCount: result.rowCount ?? 0, rows: result.rows as Row[] };
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /** A signal counts until the statement is sent; PostgreSQL has no cheap cancel. */
  async #withClient<T>(
    body: (client: pg.PoolClient) => Promise<T>,
    options?: StatementOptions & { discard?: boolean },
  ): Promise<T> {
    options?.signal?.throwIfAborted();
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
    // pg closes the socket of a connection with a statement under way, and fails the statement.
    const cut = () => void (client as unknown as pg.Client).end().catch(() => {});
    const cutBy = options?.cut === true ? options.signal : undefined;
    try {
      options?.signal?.throwIfAborted();
      cutBy?.addEventListener('abort', cut);
      return await body(client);
    } catch (error) {
      if (cutBy?.aborted === true) {
        broken ??= error as Error;
        throw cutBy.reason;
      }
      // A session that was terminated is told so some time before its connection ends.
      if (error instanceof StoreError && error.outcomeUnknown) broken ??= error;
      throw error;
    } finally {
      cutBy?.removeEventListener('abort', cut);
      client.off('error', onError);
      client.release(broken ?? options?.discard === true);
    }
  }
}

/** `queryMode` has been in pg since 8.12, but is missing in its types. */
function extended(text: string, values: readonly unknown[]): pg.QueryConfig & { queryMode: 'extended' } {
  return { text, values: values as unknown[], queryMode: 'extended' };
}

/** Wraps what `pg` throws; the message is PostgreSQL's, without the connection string. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const cause = error as Error & { code?: string; errors?: Error[] };
  const message = cause.message || cause.errors?.map((each) => each.message).join('; ') || String(error);
  const sqlState = /^[0-9A-Z]{5}$/.test(cause.code ?? '') ? cause.code : undefined;
  return new StoreError(message, { cause: error, sqlState });
}
