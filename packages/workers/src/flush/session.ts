import { StoreError } from '../error.js';
import { failureOf, sqlStateOf } from './failure.js';

/** What of a `pg` client the flush needs: one connection, used by nobody else meanwhile. */
export interface Session {
  query(query: string | Query, values?: unknown[]): Promise<Result>;
}

/** In the extended protocol even without values: it takes one statement, whatever the text says. */
export interface Query {
  readonly text: string;
  readonly values: unknown[];
  readonly queryMode: 'extended';
}

export interface Result {
  readonly command: string;
  readonly rowCount: number | null;
  readonly rows: readonly Record<string, unknown>[];
}

/** What `pg` throws, as `StoreError` with PostgreSQL's message and SQLSTATE. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { message } = error as { message?: string };
  return new StoreError(message || String(error), { cause: error, sqlState: sqlStateOf(error) });
}

/** True if the server itself answered that it did not do it; false if the answer may have been lost. */
export function isRefusal(error: unknown): boolean {
  // The severity is in the server's language.
  return (error as { severity?: string }).severity === 'ERROR' || failureOf(error) === 'refused';
}
