import { FencedError } from '../error.js';

/**
 * What an error of a flush means for what it wanted to write:
 *
 * - retry: nothing about the tasks; the same will work later.
 * - fatal: nothing may be written any more.
 * - refused: PostgreSQL will never take this task as it is.
 */
export type Failure = 'retry' | 'fatal' | 'refused';

/**
 * By class (PostgreSQL's manual, appendix A). All other classes are about the statement or its data, and
 * so are SQLSTATEs of the application's own.
 */
const RETRIED_CLASSES: ReadonlySet<string> = new Set([
  '08', // connection
  '25', // transaction state: read-only after a failover, time-outs
  '28', // authorisation, at connect
  '3D', // no such database, at connect
  '40', // serialisation, deadlock
  '53', // disk, memory, connections
  '55', // not in the state it should be in: locked, in use
  '57', // an operator stepped in, shutdown
  '58', // I/O
  '72', // snapshot too old
  'F0', // the server's configuration
  'XX', // internal error
]);

const EXCEPTIONS: Readonly<Record<string, Failure>> = {
  '08P01': 'refused', // a message that the server does not understand: U+0000 in a text, too few parameters
  '25001': 'refused', // VACUUM and the like, which no transaction takes
  '55000': 'refused', // a view that cannot be written
  HV00N: 'retry', // a foreign server cannot be reached
};

export function failureOf(error: unknown): Failure {
  if (error instanceof FencedError) return 'fatal';
  const { severity } = error as { severity?: string };
  const sqlState = sqlStateOf(error);
  // No answer of the server's, or its last.
  if (sqlState === undefined || severity === 'FATAL' || severity === 'PANIC') return 'retry';
  if (sqlState === 'XX000' && isTooLarge(error)) return 'refused';
  return EXCEPTIONS[sqlState] ?? (RETRIED_CLASSES.has(sqlState.slice(0, 2)) ? 'retry' : 'refused');
}

/** A value of less than 1 GiB may need more than that on its way; PostgreSQL has no code of its own for it. */
function isTooLarge(error: unknown): boolean {
  const { routine, cause } = error as { routine?: string; cause?: { routine?: string } };
  return /alloc|SizeFailure/i.test(routine ?? cause?.routine ?? '');
}

/** Of what `pg` throws, and of a `StoreError`. Undefined: the error is not the server's. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, sqlState = code } = error as { code?: unknown; sqlState?: unknown };
  return typeof sqlState === 'string' && /^[0-9A-Z]{5}$/.test(sqlState) ? sqlState : undefined;
}
