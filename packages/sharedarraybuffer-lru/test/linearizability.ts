/** One call on one key. Stamps come from a counter that all threads share. */
export interface Operation {
  thread: number;
  kind: 'set' | 'refused' | 'delete' | 'clear' | 'get' | 'has' | 'token' | 'fill';
  invoked: number;
  returned: number;
  /** Of `set` and `fill` the value that was given, of `get` that which was read; each is written once. */
  value?: number;
  /** Of `delete` and `has`. */
  present?: boolean;
}

/**
 * Whether there is an order of the calls on one key, each at an instant between its stamps, in which every
 * result follows from the calls before (Herlihy and Wing), for a register that may lose its value at any
 * time. A call that found nothing says nothing then, and is not to be in the history; nor is a fill that was
 * refused. The tokens of `fill` are part of the register: each thread holds one, and whatever writes the
 * register other than a fill ends all of them.
 *
 * The search is that of Wing and Gong with the memory of Lowe: a set of calls done and a state that were
 * tried once are not tried again. As each thread makes one call at a time, how many of its calls are done says
 * which.
 */
export function isLinearizable(history: readonly Operation[]): boolean {
  const threads = new Map<number, Operation[]>();
  for (const operation of history) {
    const calls = threads.get(operation.thread);
    if (calls === undefined) threads.set(operation.thread, [operation]);
    else calls.push(operation);
  }
  return new Search([...threads.values()]).run(0, 0);
}

const NOTHING = 0;

class Search {
  readonly #threads: readonly Operation[][];
  readonly #done: number[];
  readonly #tried = new Set<string>();

  constructor(threads: Operation[][]) {
    for (const calls of threads) calls.sort((a, b) => a.invoked - b.invoked);
    this.#threads = threads;
    this.#done = threads.map(() => 0);
  }

  /** `tokens` has a bit for each thread whose token is good. */
  run(value: number, tokens: number): boolean {
    const state = `${this.#done.join()} ${value} ${tokens}`;
    if (this.#tried.has(state)) return false;
    this.#tried.add(state);

    const next = this.#threads.map((calls, thread) => calls[this.#done[thread] as number]);
    // What returned before another was invoked comes before it.
    const first = Math.min(...next.map((call) => call?.returned ?? Number.POSITIVE_INFINITY));
    if (first === Number.POSITIVE_INFINITY) return true;
    for (const [thread, call] of next.entries()) {
      if (call === undefined || call.invoked > first) continue;
      const after = step(call, value, tokens, 1 << thread);
      if (after === undefined) continue;
      this.#done[thread] = (this.#done[thread] as number) + 1;
      if (this.run(after.value, after.tokens)) return true;
      this.#done[thread] = (this.#done[thread] as number) - 1;
    }
    return false;
  }
}

/** The register after the call; undefined when it cannot come now. */
function step(
  call: Operation,
  value: number,
  tokens: number,
  mine: number,
): { value: number; tokens: number } | undefined {
  switch (call.kind) {
    case 'set':
      return { value: call.value as number, tokens: 0 };
    case 'refused':
    case 'clear':
      return { value: NOTHING, tokens: 0 };
    case 'delete':
      return call.present === true && value === NOTHING ? undefined : { value: NOTHING, tokens: 0 };
    case 'get':
      return call.value === value ? { value, tokens } : undefined;
    case 'has':
      return value === NOTHING ? undefined : { value, tokens };
    case 'token':
      return { value, tokens: tokens | mine };
    case 'fill':
      return (tokens & mine) === 0 ? undefined : { value: call.value as number, tokens };
  }
}
