import { StoreError } from '../error.js';
import { failpoint } from '../failpoint.js';
import { failureOf } from './failure.js';
import { Refusal } from './refusal.js';
import { isRefusal, type Result, type Session } from './session.js';
import type { FlushStatement } from './statement.js';
import { isTransactionControl } from './transaction-control.js';

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

  /** Sends a statement of the n-th unit. Throws `Refusal` if it is bad for good, else what `pg` throws. */
  async run(statement: FlushStatement, unit?: number): Promise<Result> {
    failpoint('flush:statement:before');
    const { text, values, groups } = statement;
    if (groups[0]?.kind === 'content' && isTransactionControl(text)) {
      const message = 'a task cannot begin or end a transaction, nor COPY FROM STDIN';
      throw new Refusal(new StoreError(message, { sqlState: '2D000' }), statement, unit);
    }
    this.statements += 1;
    try {
      return await this.session.query({ text, values: [...values], queryMode: 'extended' });
    } catch (error) {
      throw failureOf(error) === 'refused' ? new Refusal(error, statement, unit) : error;
    }
  }

  /** Lets PostgreSQL look at a statement without running it. Throws what `pg` throws. */
  explain(text: string, values: unknown[]): Promise<Result> {
    const query = { text: `EXPLAIN ${text}`, values, queryMode: 'extended' } as const;
    return this.overhead(() => this.session.query(query));
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
