import { setImmediate as turn } from 'node:timers/promises';

export interface ClosedLoopOptions {
  /** Operations in flight: as many users, each of whom waits for an answer before asking again. */
  width: number;
  /** Starts the next operation, whose promise does not reject; undefined: there are no more. */
  start: () => Promise<unknown> | undefined;
  /** Milliseconds from the call to the answer. */
  record: (latencyMs: number) => void;
  /** Called before operations are started, once per turn of the event loop. */
  onMoment?: (nowMs: number) => void;
}

/**
 * As many operations as go with so many in flight, until there are no more and all are answered. An answer
 * from memory comes within a microtask, so the event loop is given its turn after each `width` of them: else
 * sockets and timers would starve.
 */
export async function closedLoop({ width, start, record, onMoment }: ClosedLoopOptions): Promise<number> {
  let inFlight = 0;
  let answered = 0;
  let isOver = false;
  let wake: (() => void) | undefined;
  const answer = (startedMs: number) => {
    inFlight -= 1;
    answered += 1;
    record(performance.now() - startedMs);
    wake?.();
    wake = undefined;
  };
  while (!isOver) {
    onMoment?.(performance.now());
    while (inFlight < width) {
      const startedMs = performance.now();
      const operation = start();
      isOver = operation === undefined;
      if (operation === undefined) break;
      inFlight += 1;
      void operation.then(() => answer(startedMs));
    }
    await turn();
    if (inFlight >= width) await new Promise<void>((resolve) => (wake = resolve));
  }
  while (inFlight > 0) await new Promise<void>((resolve) => (wake = resolve));
  return answered;
}
