/** The steps of a write at which a thread can be stopped by a test. */
export type Failpoint = 'locked' | 'raised' | 'evicted' | 'written' | 'published' | 'moved' | 'reset';

let reached: ((point: Failpoint) => void) | undefined;

/** For tests only: `hook` runs, inside the writer lock, whenever this thread reaches a failpoint. */
export function onFailpoint(hook: ((point: Failpoint) => void) | undefined): void {
  reached = hook;
}

export function failpoint(point: Failpoint): void {
  if (reached !== undefined) reached(point);
}
