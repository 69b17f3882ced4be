import pg from 'pg';
import { asError } from './write-job.js';

/**
 * pg-boss' way to PostgreSQL: a small pool with bounded waits. A connection whose statement failed is
 * thrown away: pg-boss sends `BEGIN; …; COMMIT` as one text, and an error in it leaves the session in
 * an aborted transaction that its own pool would hand to the next caller.
 */
export class BossConnection {
  readonly #pool: pg.Pool;

  constructor(connectionString: string, max: number, timeoutMs: number, onError: (error: Error) => void) {
    this.#pool = new pg.Pool({
      connectionString,
      max,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      idleTimeoutMillis: 10_000,
      application_name: 'zmsg-delay',
    });
    this.#pool.on('error', onError);
    this.#pool.on('connect', (client) => client.on('error', () => {})); // see `Store`
  }

  async executeSql(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }> {
    const client = await this.#pool.connect();
    const onError = () => {}; // reported by the query that it breaks
    client.on('error', onError);
    try {
      const result = await client.query(text, values);
      client.off('error', onError);
      client.release();
      return result;
    } catch (error) {
      client.release(asError(error));
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
