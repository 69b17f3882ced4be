/**
 * Every error that zmsg raises on purpose, by its stable code. Codes never change their meaning;
 * messages may.
 */
export type ZmsgErrorCode =
  | 'BACKPRESSURE'
  | 'CLOCK'
  | 'CLOSED'
  | 'CONFIG'
  | 'FENCED'
  | 'INVALID_KEY'
  | 'INVALID_TASK'
  | 'INVALID_VALUE'
  | 'LEASE_LOST'
  | 'LOG'
  | 'MIGRATION'
  | 'NOT_FOUND'
  | 'QUEUE'
  | 'SHARD'
  | 'STORE'
  | 'THREAD_ENDED';

/** Base of all errors of zmsg. `code` is stable; `cause` holds the error underneath, if there is one. */
export class ZmsgError extends Error {
  readonly code: ZmsgErrorCode;

  constructor(code: ZmsgErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The engine, or the part that was asked, is closed or closing: nothing was done. */
export class ClosedError extends ZmsgError {
  constructor(message = 'the engine is closed', options?: ErrorOptions) {
    super('CLOSED', message, options);
  }
}

/** PostgreSQL refused or could not be reached. `sqlState` is its five-character code where it gave one. */
export class StoreError extends ZmsgError {
  readonly sqlState: string | undefined;

  constructor(message: string, options?: ErrorOptions & { sqlState?: string | undefined }) {
    super('STORE', message, options);
    this.sqlState = options?.sqlState;
  }

  /**
   * True when a statement that was sent may or may not have been committed: the connection broke
   * (no SQLSTATE, or class 08) or the server went down (57P01 to 57P03).
   */
  get outcomeUnknown(): boolean {
    return this.sqlState === undefined || this.sqlState.startsWith('08') || this.sqlState.startsWith('57P0');
  }
}

/** A task that cannot be run: wrong placeholder count, a bad identifier, an operand that does not fit. */
export class InvalidTaskError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_TASK', message, options);
  }
}

/** A value of the wrong type or out of bounds. */
export class InvalidValueError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_VALUE', message, options);
  }
}

/** The write was not taken because what is pending has reached its bound. Nothing was written. */
export class BackpressureError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('BACKPRESSURE', message, options);
  }
}

/** A shard thread failed. */
export class ShardError extends ZmsgError {
  readonly shard: number;

  constructor(shard: number, message: string, options?: ErrorOptions) {
    super('SHARD', message, options);
    this.shard = shard;
  }
}

/** The progress of this shard was taken over by another owner: nothing was written, and nothing will be. */
export class FencedError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('FENCED', message, options);
  }
}

/**
 * The write-ahead log cannot be written, or what is in it cannot be trusted. `file` and `offset` say
 * where, if it is about a place in a file.
 */
export class LogError extends ZmsgError {
  readonly file: string | undefined;
  /** Bytes from the begin of the file. */
  readonly offset: number | undefined;

  constructor(
    message: string,
    options?: ErrorOptions & { file?: string | undefined; offset?: number | undefined },
  ) {
    super('LOG', message, options);
    this.file = options?.file;
    this.offset = options?.offset;
  }
}
