/** The steps of a write at which a thread can be stopped by a test, in the order in which a set comes to them. */
export const FAILPOINTS = [
  /** The lock is taken, nothing else is done. */
  'locked',
  /** It was taken from another thread, whose work is still half done. */
  'seized',
  /** A slot is free, the figures still count its entry. */
  'vacated',
  /** The figures of a ring say so, its tail is still before what was dropped. */
  'dropped',
  /** A record has its copy at the head, the slot still points at the old one. */
  'moved',
  /** There is room. */
  'evicted',
  /** The head is behind the record, of which nothing is written. */
  'appended',
  /** Key and value are written, the header is not. */
  'copied',
  /** The record is complete, no slot points at it. */
  'written',
  /** Readers see the record, the figures do not count it. */
  'placed',
  /** The write is done, tokens taken before are still good. */
  'published',
  /** They no longer are. */
  'raised',
  /** The lock is free, nobody who waits for it knows. */
  'unlocked',
  /** The epoch is a new one, everything else is to be emptied. */
  'reset',
  /** The index is empty, the rings are not. */
  'emptied',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

let reached: ((point: Failpoint) => void) | undefined;

/** For tests only: `hook` runs whenever this thread reaches a failpoint, mostly inside the writer lock. */
export function onFailpoint(hook: ((point: Failpoint) => void) | undefined): void {
  reached = hook;
}

export function failpoint(point: Failpoint): void {
  if (reached !== undefined) reached(point);
}
