/** What was found when a node's log, its progress marks and a ledger were compared. */
export interface NodeVerification {
  /** Nothing is missing, double or damaged, and all of the ledger was compared. */
  readonly isOk: boolean;
  /** The moment that the figures are of, on the database's clock; milliseconds since 1970. */
  readonly takenAtMs: number;
  readonly dataDir: string;
  /** Process that owns the data directory; its figures are those of one moment. */
  readonly runningPid: number | undefined;
  readonly database: string;
  /** Undefined: there is no log, as after an orderly close, which leaves none. */
  readonly log: VerifiedLog | undefined;
  readonly problems: readonly Problem[];
  /** Marks of logs that are not in this directory: other nodes', or forgotten. The latest 100. */
  readonly otherLogs: readonly OtherLog[];
  readonly otherLogCount: number;
  /** Undefined: the database has no table for them. */
  readonly deadLetters: number | undefined;
  /** Delayed writes of which it is recorded that they were applied. Undefined: no table. */
  readonly delayedWrites: number | undefined;
  /** Undefined: none was asked for. */
  readonly ledger: LedgerVerification | undefined;
}

export interface VerifiedLog {
  readonly logId: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly shards: readonly VerifiedShard[];
  /** Operations in the log, not yet in PostgreSQL. */
  readonly pending: number;
}

export interface VerifiedShard {
  readonly shard: number;
  /** Position of the last operation that can be read; 0: the log holds none. */
  readonly end: number;
  /** Position up to which everything is in PostgreSQL; undefined: it has no mark. */
  readonly mark: number | undefined;
  readonly epoch: number | undefined;
  /** Operations in the log behind the mark. Those that are not logged (`off`) do not count. */
  readonly pending: number;
}

export interface Problem {
  /**
   * `damage`: a file of the log cannot be read where it should. `gap`: operations are neither in the log
   * nor in PostgreSQL. `mark missing`: nobody knows what of this shard is in PostgreSQL. `other database`:
   * it knows nothing of this log.
   */
  readonly kind: 'damage' | 'gap' | 'mark missing' | 'other database';
  readonly shard: number | undefined;
  readonly message: string;
}

export interface OtherLog {
  readonly logId: string;
  readonly shards: number;
  /** When one of its marks moved last, milliseconds since 1970, and how long ago that was. */
  readonly updatedAtMs: number;
  readonly ageMs: number;
}

export interface LedgerVerification {
  readonly table: string;
  readonly rows: number;
  readonly balanced: number;
  readonly missing: number;
  readonly double: number;
  /** Not comparable while something is pending. */
  readonly uncertain: number;
  /** Not comparable at all: names, types or keys that are none. */
  readonly invalid: number;
  /** The first 1,000 that do not balance. */
  readonly findings: readonly LedgerFinding[];
}

/** A row of the ledger that does not balance. Amounts are decimal text. */
export interface LedgerFinding {
  readonly kind: 'missing' | 'double' | 'uncertain' | 'invalid';
  readonly table: string;
  readonly column: string;
  readonly keyColumn: string;
  readonly key: string | undefined;
  readonly acknowledged: string;
  readonly attempted: string;
  /** In PostgreSQL; a row that is not there counts as 0. Undefined: not read. */
  readonly value?: string;
  /** In the log behind the mark. */
  readonly pending?: string;
  readonly deadLetters?: string;
  /** How much is missing or double. */
  readonly amount?: string;
  /** Why it cannot be compared. */
  readonly reason?: string;
}
