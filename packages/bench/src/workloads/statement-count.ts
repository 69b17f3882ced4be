import type pg from 'pg';

export interface DatabaseWork {
  /** BEGIN, COMMIT and the like included. */
  statements: number;
  /** Returned or changed. */
  rows: number;
}

const BY_STATEMENT = `
SELECT coalesce(sum(s.calls), 0)::float8 AS statements, coalesce(sum(s.rows), 0)::float8 AS rows
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $1`;

const BY_TRANSACTION = `
SELECT (xact_commit + xact_rollback)::float8 AS statements,
       (tup_fetched + tup_inserted + tup_updated + tup_deleted)::float8 AS rows
FROM pg_stat_database WHERE datname = $1`;

/** What a database was asked to do so far, as the server counts it, so the same for every contender. */
export class StatementCount {
  readonly method: string;
  readonly #pool: pg.Pool;
  readonly #query: string;

  private constructor(pool: pg.Pool, hasStatements: boolean) {
    this.#pool = pool;
    this.#query = hasStatements ? BY_STATEMENT : BY_TRANSACTION;
    this.method = hasStatements
      ? 'pg_stat_statements'
      : 'pg_stat_database: transactions instead of statements, a second late';
  }

  static async open(pool: pg.Pool): Promise<StatementCount> {
    try {
      await pool.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
      await pool.query('SELECT count(*) FROM pg_stat_statements'); // fails if the library is not preloaded
      return new StatementCount(pool, true);
    } catch {
      return new StatementCount(pool, false);
    }
  }

  async of(database: string): Promise<DatabaseWork> {
    const { rows } = await this.#pool.query<DatabaseWork>(this.#query, [database]);
    return rows[0] ?? { statements: 0, rows: 0 };
  }
}
