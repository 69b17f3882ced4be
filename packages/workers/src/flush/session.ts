import { StoreError } from '../error.js';

/** What of a `pg` client the flush needs: one connection, used by nobody else meanwhile. */
export interface Session {
  query(text: string, values?: unknown[]): Promise<Result>;
}

export interface Result {
  readonly command: string;
  readonly rowCount: number | null;
  readonly rows: readonly Record<string, unknown>[];
}

/** What `pg` throws, as `StoreError` with PostgreSQL's message and SQLSTATE. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { message, code } = error as { message?: string; code?: string };
  const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
  return new StoreError(message || String(error), { cause: error, sqlState });
}

/** True if the server itself answered that it did not do it; false if the answer may have been lost. */
export function isRefusal(error: unknown): boolean {
  return (error as { severity?: string }).severity === 'ERROR';
}
