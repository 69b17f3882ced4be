import { FencedError, LogError, ShardError, StoreError, ZmsgError } from '../error.js';

/** How a shard answers a read or a flush, over the port of its lane. */
export type Reply =
  | { requestId: number; value: unknown; error?: undefined }
  | { requestId: number; error: ErrorRecord };

/** An error as it crosses threads: structured clones lose the class and own fields. */
export interface ErrorRecord {
  message: string;
  stack: string | undefined;
  sqlState: string | undefined;
  /** Of an error of zmsg. */
  code?: string;
  file?: string | undefined;
  offset?: number | undefined;
}

export function errorRecord(error: unknown): ErrorRecord {
  const { message, stack, code, sqlState } = error as Error & { code?: unknown; sqlState?: unknown };
  const state = sqlState ?? code;
  const isState = typeof state === 'string' && /^[0-9A-Z]{5}$/.test(state);
  const record: ErrorRecord = {
    message: message || String(code ?? error),
    stack,
    sqlState: isState ? state : undefined,
  };
  if (error instanceof ZmsgError) record.code = error.code;
  if (error instanceof LogError) {
    record.file = error.file;
    record.offset = error.offset;
  }
  return record;
}

export function storeError(record: ErrorRecord): StoreError {
  return new StoreError(record.message, { cause: causeOf(record), sqlState: record.sqlState });
}

export function logError(record: ErrorRecord): LogError {
  const { file, offset } = record;
  return new LogError(record.message, { cause: causeOf(record), file, offset });
}

/** What a shard ended with. */
export function shardError(shard: number, record: ErrorRecord): ShardError | LogError | FencedError {
  if (record.code === 'LOG') return logError(record);
  const cause = causeOf(record);
  if (record.code === 'FENCED') return new FencedError(record.message, { cause });
  return new ShardError(shard, `the thread of shard ${shard} failed: ${record.message}`, { cause });
}

function causeOf({ message, stack }: ErrorRecord): Error {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return cause;
}
