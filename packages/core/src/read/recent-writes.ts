/** How far a replica may be behind: longer, and a load may give what was replaced before. */
const LAG_MS = 10_000;
/** Of each half; with more, every key counts as written. */
const MAX_KEYS = 100_000;

/**
 * Keys that were written lately, on whichever node: a replica may not have them yet, so they are loaded from
 * the primary. A key is remembered for one to two times the lag.
 */
export class RecentWrites {
  readonly #now: () => number;
  #current = new Set<string>();
  #previous = new Set<string>();
  #sinceMs: number;
  #allUntilMs = Number.NEGATIVE_INFINITY;

  /** @param now Monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#sinceMs = now();
  }

  add(key: string): void {
    this.#turn();
    if (this.#current.size < MAX_KEYS) this.#current.add(key);
    else this.addAll();
  }

  /** Any key may have been written. */
  addAll(): void {
    this.#allUntilMs = this.#now() + LAG_MS;
  }

  has(key: string): boolean {
    this.#turn();
    return this.#now() < this.#allUntilMs || this.#current.has(key) || this.#previous.has(key);
  }

  #turn(): void {
    const now = this.#now();
    const passedMs = now - this.#sinceMs;
    if (passedMs < LAG_MS) return;
    this.#previous = passedMs < 2 * LAG_MS ? this.#current : new Set();
    this.#current = new Set();
    this.#sinceMs = now;
  }
}
