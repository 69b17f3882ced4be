import type { Task } from '@zmsg/core';
import pg from 'pg';
import type { Query } from './check.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** Of PostgreSQL's advisory locks: "zmsg", "demo" in ASCII. */
const LOCK = '2053993319, 1684368751';

/**
 * A connection to PostgreSQL that is not the engine's: the check reads over it, and it keeps a second
 * demo away from the same tables for as long as it lasts.
 */
export class OwnConnection {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
    // A broken connection is reported by the next query.
    client.on('error', () => {});
  }

  /** @throws Error when PostgreSQL cannot be reached, or another demo runs in this database */
  static async open(dsn: string): Promise<OwnConnection> {
    const client = new pg.Client({
      connectionString: dsn,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      application_name: 'zmsg demo check',
      keepAlive: true,
    });
    const connection = new OwnConnection(client);
    try {
      await client.connect();
    } catch (error) {
      const { message, errors } = error as AggregateError;
      const reason = message || errors?.map((each: Error) => each.message).join('; ');
      throw new Error(`PostgreSQL (--postgres) cannot be reached: ${reason}`, { cause: error });
    }
    try {
      const { rows } = await client.query(`SELECT pg_try_advisory_lock(${LOCK}) AS taken`);
      if (rows[0]?.taken !== true) throw new Error('another zmsg demo is running in this database');
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  readonly query: Query = async <Row>({ text, values }: Task): Promise<Row[]> => {
    const { rows } = await this.#client.query(text, [...values]);
    return rows as Row[];
  };

  async close(): Promise<void> {
    await this.#client.end();
  }
}
