import { StoreError } from '../error.js';

/** How a shard answers a read or a flush, over the port of its lane. */
export type Reply =
  | { requestId: number; value: unknown; error?: undefined }
  | { requestId: number; error: ErrorRecord };

/** An error as it crosses threads: structured clones lose the class and own fields. */
export interface ErrorRecord {
  message: string;
  stack: string | undefined;
  sqlState: string | undefined;
}

export function errorRecord(error: unknown): ErrorRecord {
  const { message, stack, code, sqlState } = error as Error & { code?: unknown; sqlState?: unknown };
  const state = sqlState ?? code;
  const isState = typeof state === 'string' && /^[0-9A-Z]{5}$/.test(state);
  return { message: message || String(code ?? error), stack, sqlState: isState ? state : undefined };
}

export function storeError(record: ErrorRecord): StoreError {
  const cause = new Error(record.message);
  if (record.stack !== undefined) cause.stack = record.stack;
  return new StoreError(record.message, { cause, sqlState: record.sqlState });
}
