/** What the progress display shows; taken a few times per second. */
export interface Snapshot {
  elapsedMs: number;
  /** Undefined: until the trace ends. */
  totalMs: number | undefined;
  operations: number;
  /** Since the last snapshot. */
  operationsPerSecond: number;
  readsPerSecond: number;
  writesPerSecond: number;
  /** Share of reads so far that L1 answered. */
  l1HitRate: number;
  failures: number;
  /** Operations that the shards have not committed, and the rows they will become. */
  pendingOperations: number;
  pendingGroups: number;
  flushes: number;
  /** Operations that the shards took, and the statements that wrote what was flushed of them. */
  shardOperations: number;
  statements: number;
  inFlight: number;
}
