const TICK_MS = 1_000;

/**
 * Tells of calls that are not settled. It counts ticks of its own timer, not time: a process that was
 * stopped for a minute has not kept its callers waiting.
 */
export class Watchdog {
  readonly #limitTicks: number;
  readonly #onHung: (what: string) => void;
  readonly #calls = new Map<number, { what: string; since: number }>();
  readonly #timer: NodeJS.Timeout;
  #tick = 0;
  #next = 0;

  constructor(limitMs: number, onHung: (what: string) => void) {
    this.#limitTicks = Math.ceil(limitMs / TICK_MS);
    this.#onHung = onHung;
    this.#timer = setInterval(() => this.#look(), TICK_MS);
  }

  /** Returns what is to be called when the call is settled. */
  watch(what: string): () => void {
    const call = this.#next++;
    this.#calls.set(call, { what, since: this.#tick });
    return () => this.#calls.delete(call);
  }

  /** Calls that are not settled. */
  get open(): string[] {
    return [...this.#calls.values()].map(({ what }) => what);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#tick += 1;
    for (const [call, { what, since }] of this.#calls) {
      if (this.#tick - since <= this.#limitTicks) return; // in the order in which they were made
      this.#calls.delete(call);
      this.#onHung(what);
    }
  }
}
