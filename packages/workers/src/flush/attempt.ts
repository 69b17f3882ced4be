import { failpoint } from '../failpoint.js';
import { failureOf } from './failure.js';
import { Refusal } from './refusal.js';
import { isRefusal, type Result, type Session } from './session.js';
import type { FlushStatement } from './statement.js';

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
    this.statements += 1;
    try {
      return await this.session.query(statement.text, [...statement.values]);
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
