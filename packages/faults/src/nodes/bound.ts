/** What the engine promises, whatever fails: no read gives what was replaced by an acknowledged write longer ago. */
export const BOUND_MS = 4_000;
