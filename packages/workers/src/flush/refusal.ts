import type { StoreError } from '../error.js';
import { toStoreError } from './session.js';
import type { FlushStatement } from './statement.js';

/** PostgreSQL refused for good what a group wants. The connection is as good as before. */
export class Refusal extends Error {
  readonly error: StoreError;
  /** Undefined: it could not be built, or it was a check of constraints, or COMMIT. */
  readonly statement: FlushStatement | undefined;
  /** Of which unit it is, where units are counted. COMMIT is of none. */
  readonly unit: number | undefined;

  constructor(error: unknown, statement?: FlushStatement, unit?: number) {
    super('refused', { cause: error });
    this.error = toStoreError(error);
    this.statement = statement;
    this.unit = unit;
  }

  /** Of a class that an altered table would explain, too. */
  get mayBeAltered(): boolean {
    const { sqlState = '' } = this.error;
    return sqlState.startsWith('22') || sqlState.startsWith('42');
  }
}
