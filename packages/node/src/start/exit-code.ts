/** Exit codes of `zmsg-node start`. Startup that failed, and an application that never got ready, are 1. */
export const EXIT_CODE = {
  /** Everything acknowledged is in PostgreSQL. */
  flushed: 0,
  /** Something is left in the log, for the next start. */
  notFlushed: 3,
} as const;
