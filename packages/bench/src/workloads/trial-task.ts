interface Task {
  /** Tasks of one name are rounds of one measurement. */
  phase: string;
}

/** Reads the most popular posts, once each. */
interface WarmUp extends Task {
  kind: 'warm-up';
  ranks: number;
  width: number;
}

/** As much as goes, with so many in flight. */
interface Closed extends Task {
  kind: 'closed';
  width: number;
  durationMs: number;
}

/** So many per second, whatever becomes of them. */
interface Open extends Task {
  kind: 'open';
  perSecond: number;
  seconds: number;
}

/** Reads until so many of the last ones needed no database. */
interface Cold extends Task {
  kind: 'cold';
  width: number;
  /** 0 to 1. */
  hitRatio: number;
  /** Reads that the ratio is taken of. */
  window: number;
  maxReads: number;
}

/** All readers at once, on so many keys. */
interface Burst extends Task {
  kind: 'burst';
  keys: number;
  readers: number;
}

/** Accesses in the order in which they were recorded: reads, and every tenth of a post a like. */
export interface Recorded extends Task {
  kind: 'recorded';
  accesses: Uint32Array;
  width: number;
}

export type TrialTask = WarmUp | Closed | Open | Cold | Burst | Recorded;
