/** The times that bound how old a value can be. The same on all nodes. */
export interface CoherenceBounds {
  /** Between two beats of a node, milliseconds. */
  readonly beatMs: number;
  /** A node, or this node's own link, that was not heard for so long is in doubt, milliseconds. */
  readonly silentMs: number;
  /** Longest life of what is put into L1 while in doubt, milliseconds. */
  readonly doubtTtlMs: number;
  /** Between two looks at the list of members, milliseconds. */
  readonly lookMs: number;
  /** A member that did not renew its row for so long is dead, milliseconds. */
  readonly memberTtlMs: number;
}

/**
 * With these, whatever fails: no read gives a value that was replaced or deleted by an acknowledged write
 * more than 4 s before (`lookMs` + `silentMs` + `doubtTtlMs`; 3 s unless the writer has never reached
 * Redis since it was opened), and milliseconds when nothing fails.
 */
export const BOUNDS: CoherenceBounds = Object.freeze({
  beatMs: 250,
  silentMs: 2_000,
  doubtTtlMs: 1_000,
  lookMs: 1_000,
  memberTtlMs: 15_000,
});
