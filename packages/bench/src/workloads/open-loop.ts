/** A clock that can be waited on; tests have their own. */
export interface Clock {
  nowMs: () => number;
  /** Resolves at the next moment that it is worth to look again. */
  pause: () => Promise<void>;
}

export interface OpenLoopOptions {
  /** When operations are due, milliseconds from the start, ascending. */
  schedule: Float64Array;
  /** Starts an operation; its promise does not reject. */
  start: () => Promise<unknown>;
  /** Milliseconds from when the operation was due to its answer. */
  record: (latencyMs: number) => void;
  /** Called before the operations of a moment are started. */
  onMoment?: (nowMs: number) => void;
  clock: Clock;
  /** Bounds what waits in this process, not what is charged: later operations count from when they were due all the same. */
  maxInFlight: number;
  /** After the last one was due, how long answers are waited for; who takes longer has no place at this rate. */
  patienceMs: number;
}

export interface OpenLoopResult {
  answered: number;
  /** Due and not started, since answers took too long. Each is recorded as waiting until the end. */
  abandoned: number;
  /** From the first moment to the last answer. */
  seconds: number;
}

/**
 * An open loop: operations come when they are due, whether or not earlier ones were answered, and an answer's
 * latency counts from when its operation was due. So a stall is charged to everyone who came during it. A
 * closed loop would stop asking meanwhile and see one slow answer ("coordinated omission", Gil Tene).
 *
 * What is due is looked for about every millisecond, with all that has become due since. So every latency
 * here has up to a millisecond of waiting for the clock in it, those of all contenders alike; a loop that spins
 * until the next one is due would take a core from the servers under test and hide what the contender takes.
 */
export async function openLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { schedule, start, record, onMoment, clock, maxInFlight, patienceMs } = options;
  const beginMs = clock.nowMs();
  const lastDueMs = schedule.at(-1) ?? 0;
  let next = 0;
  let inFlight = 0;
  let answered = 0;
  let lastAnswerMs = beginMs;
  const answer = (dueMs: number) => {
    inFlight -= 1;
    answered += 1;
    lastAnswerMs = clock.nowMs();
    record(lastAnswerMs - beginMs - dueMs);
  };
  const isLate = () => clock.nowMs() - beginMs > lastDueMs + patienceMs;
  while (next < schedule.length && !isLate()) {
    const nowMs = clock.nowMs();
    onMoment?.(nowMs);
    while (next < schedule.length && inFlight < maxInFlight) {
      const dueMs = schedule[next] as number;
      if (beginMs + dueMs > nowMs) break;
      next += 1;
      inFlight += 1;
      void start().then(() => answer(dueMs));
    }
    await clock.pause();
  }
  const abandoned = schedule.length - next;
  while (inFlight > 0) await clock.pause();
  const endMs = Math.max(lastAnswerMs, beginMs + lastDueMs);
  for (; next < schedule.length; next += 1) record(endMs - beginMs - (schedule[next] as number));
  return { answered, abandoned, seconds: (endMs - beginMs) / 1_000 };
}

export const CLOCK: Clock = {
  nowMs: () => performance.now(),
  pause: () => new Promise((resolve) => setTimeout(resolve, 1)),
};
