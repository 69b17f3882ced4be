const TICK_MS = 1_000;

/**
 * Tells of calls that are not settled: when none at all has been for as long as the limit, all that are open.
 * One call among others that go on may be slow, as on a machine with ten times the work; if it hangs, it is
 * told of when the others have come to their end. It counts ticks of its own timer, not time: a process that
 * was stopped for a minute has not kept its callers waiting.
 */
export class Watchdog {
  readonly #limitTicks: number;
  readonly #onHung: (what: string) => void;
  readonly #calls = new Map<number, string>();
  readonly #timer: NodeJS.Timeout;
  #idleTicks = 0;
  #next = 0;

  constructor(limitMs: number, onHung: (what: string) => void) {
    this.#limitTicks = Math.ceil(limitMs / TICK_MS);
    this.#onHung = onHung;
    this.#timer = setInterval(() => this.#look(), TICK_MS);
  }

  /** Returns what is to be called when the call is settled. */
  watch(what: string): () => void {
    const call = this.#next++;
    this.#calls.set(call, what);
    return () => {
      this.#calls.delete(call);
      this.#idleTicks = 0;
    };
  }

  /** Calls that are not settled. */
  get open(): Iterable<string> {
    return this.#calls.values();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#idleTicks = this.#calls.size === 0 ? 0 : this.#idleTicks + 1;
    if (this.#idleTicks <= this.#limitTicks) return;
    for (const what of this.#calls.values()) this.#onHung(what);
    this.#calls.clear();
  }
}
