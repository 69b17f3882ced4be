import type { WaitOptions } from '../store/store.js';

/** A task that was refused for good and left out of its flush. Shows no values: they may be secret. */
export interface DeadLetter {
  /** Ids rise in the order in which the tasks were refused. */
  readonly id: string;
  /** `content`: a statement of the caller's. `put`: a value for `zmsg_data`. */
  readonly kind: 'counter' | 'slice' | 'map' | 'content' | 'put';
  /** Undefined for `content`. */
  readonly table: string | undefined;
  readonly column: string | undefined;
  /** Condition with placeholders, for counters, slices and maps. */
  readonly where: string | undefined;
  /** SQL of the (first) statement, at most 1000 characters. Undefined: there is none, or the task is very large. */
  readonly text: string | undefined;
  /** How many operations were folded into it. */
  readonly operations: number;
  /** PostgreSQL's; undefined: it was never asked, since the operand made no sense. */
  readonly sqlState: string | undefined;
  /** Message of the last attempt's error. It may quote a value. */
  readonly error: string;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly firstFailedAtMs: number;
  readonly lastFailedAtMs: number;
}

/** All that is known of a dead letter, values included. */
export interface DeadLetterDetails extends DeadLetter {
  /** What was to be done to the column, in words: `+ 5`. */
  readonly change: string | undefined;
  readonly whereValues: readonly unknown[];
  /** The row to insert where there was none. */
  readonly orInsert: Readonly<Record<string, unknown>> | undefined;
  /** Of a put. */
  readonly key: string | undefined;
  /** What `retry` runs. */
  readonly statements: readonly { readonly text: string; readonly values: readonly unknown[] }[];
  /** False: it has no statement, or was too large to be kept whole. */
  readonly canRetry: boolean;
  /** The log and shard it came from, and the position up to which that flush wrote. */
  readonly logId: string;
  readonly shard: number;
  readonly position: string;
}

export interface ListOptions extends WaitOptions {
  /** 1 to 1000, the oldest first. @default 100 */
  limit?: number;
  /** Only those behind this id. */
  after?: string;
}

export type RetryOutcome =
  /** It is in the database, and no dead letter any more. `rowCount`: of its last statement; 0: no row matched. */
  | { readonly id: string; readonly outcome: 'applied'; readonly rowCount: number }
  /** It stays, with one attempt more. */
  | {
      readonly id: string;
      readonly outcome: 'refused';
      readonly sqlState: string | undefined;
      readonly error: string;
    }
  /** It has nothing to run. It stays. */
  | { readonly id: string; readonly outcome: 'not runnable' }
  /** There is none of this id (any more), or another call is about it right now. */
  | { readonly id: string; readonly outcome: 'absent' };

/** What an operator may do with dead letters, those of all nodes. */
export interface DeadLettersView {
  list(options?: ListOptions): Promise<DeadLetter[]>;
  /** Undefined: there is none of this id. */
  get(id: string, options?: WaitOptions): Promise<DeadLetterDetails | undefined>;
  count(options?: WaitOptions): Promise<number>;
  /**
   * Runs each task again, in a transaction of its own that also deletes the letter: exactly once, even
   * if two operators do it at the same time. Runs in the order of `ids`; newer writes have happened
   * meanwhile.
   *
   * @throws StoreError when PostgreSQL cannot do it now; what was not applied is still there
   */
  retry(ids: string | readonly string[], options?: WaitOptions): Promise<RetryOutcome[]>;
  /** Deletes them for good; resolves with how many there were. */
  discard(ids: string | readonly string[], options?: WaitOptions): Promise<number>;
}
