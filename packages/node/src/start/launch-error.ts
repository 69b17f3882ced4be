export type LaunchErrorCode =
  /** The application module is not there, or is no file. */
  | 'APP_NOT_FOUND'
  /** It crashed too often before it was ready. */
  | 'APP_NOT_READY'
  /** Processes of their own need a database that they share. */
  | 'CLUSTER_EMBEDDED'
  /** A thread or process ended without a word. */
  | 'EXITED'
  /** A port cannot be bound; `cause.code` says why (`EADDRINUSE`). */
  | 'PORT';

/** What `zmsg-node start` cannot do. `code` is stable. */
export class LaunchError extends Error {
  readonly code: LaunchErrorCode;

  constructor(code: LaunchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LaunchError';
    this.code = code;
  }
}
