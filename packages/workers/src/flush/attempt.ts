import { StoreError } from '../error.js';
import { failpoint } from '../failpoint.js';
import { failureOf } from './failure.js';
import { Refusal } from './refusal.js';
import { isRefusal, type Result, type Session } from './session.js';
import type { FlushStatement, Written } from './statement.js';
import { isTransactionControl } from './transaction-control.js';
import type { FlushUnit } from './unit.js';
import { unmatchedGroups } from './unmatched.js';

/** PostgreSQL ends the connection over a message of 1 GiB; some room for what stands around the values. */
const MAX_MESSAGE_BYTES = (1 << 30) - (1 << 20);

/** One connection's part in a flush. */
export class Attempt {
  readonly session: Session;
  statements = 0;
  overheadStatements = 0;
  /** Set when the connection must not be used again. */
  broken: Error | undefined;

  constructor(session: Session) {
    this.session = session;
  }

  /**
   * Runs the n-th unit; returns its groups that matched no row. Throws `Refusal` if it is bad for good,
   * else what `pg` throws.
   */
  async run(unit: FlushUnit, index?: number): Promise<Written[]> {
    const unmatched: Written[] = [];
    try {
      for (const statement of unit.statements()) {
        unmatched.push(...unmatchedGroups(statement, await this.#send(statement, index)));
      }
    } catch (error) {
      // No JavaScript string is long enough for the statement.
      throw error instanceof RangeError ? new Refusal(tooLarge(error.message), undefined, index) : error;
    }
    return unmatched;
  }

  /** Lets PostgreSQL look at a statement without running it. Throws what `pg` throws. */
  explain(text: string, values: unknown[]): Promise<Result> {
    const query = { text: `EXPLAIN ${text}`, values, queryMode: 'extended' } as const;
    return this.overhead(() => this.session.query(query));
  }

  async #send(statement: FlushStatement, unit: number | undefined): Promise<Result> {
    failpoint('flush:statement:before');
    const { text, values, groups } = statement;
    if (groups[0]?.kind === 'content' && isTransactionControl(text)) {
      const message = 'a task cannot begin or end a transaction, nor COPY FROM STDIN';
      throw new Refusal(new StoreError(message, { sqlState: '2D000' }), statement, unit);
    }
    const bytes = bytesOf(text) + values.reduce((sum: number, value) => sum + bytesOf(value), 0);
    if (bytes > MAX_MESSAGE_BYTES) {
      throw new Refusal(tooLarge(`a statement of ${bytes} bytes`), statement, unit);
    }
    this.statements += 1;
    try {
      return await this.session.query({ text, values: [...values], queryMode: 'extended' });
    } catch (error) {
      throw failureOf(error) === 'refused' ? new Refusal(error, statement, unit) : error;
    }
  }

  /** Sends something of the engine's own. */
  overhead<T>(send: () => Promise<T>): Promise<T> {
    this.overheadStatements += 1;
    return send();
  }

  control(text: string): Promise<Result> {
    return this.overhead(() => this.session.query(text));
  }

  /** After a refusal the connection is good for another transaction; after anything else it is not. */
  async rollback(cause: Error | undefined): Promise<void> {
    if (cause !== undefined && !(cause instanceof Refusal) && !isRefusal(cause)) this.broken = cause;
    try {
      await this.control('ROLLBACK');
    } catch (error) {
      // The first error is the one to report; closing the connection rolls back as well.
      this.broken ??= error as Error;
    }
  }
}

function tooLarge(what: string): StoreError {
  return new StoreError(`too large for PostgreSQL: ${what}`, { sqlState: '54000' });
}

function bytesOf(value: unknown): number {
  if (typeof value === 'string') return value.length < 1024 ? value.length : Buffer.byteLength(value);
  return ArrayBuffer.isView(value) ? value.byteLength : 0;
}
