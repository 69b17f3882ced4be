export interface CircuitBreakerOptions {
  /** Failures in a row that open it, at least 1. @default 5 */
  failureThreshold?: number;
  /** Refusal after the first opening, milliseconds; doubled for each probe that fails. @default 100 */
  openMs?: number;
  /** Longest refusal between probes, milliseconds. @default 5000 */
  maxOpenMs?: number;
  /** Monotonic milliseconds. */
  now: () => number;
  /** Asks the backend whether it is back. Must settle in bounded time. */
  probe: () => Promise<unknown>;
}

/**
 * Keeps calls away from a backend that does not answer.
 *
 *     closed ──(failureThreshold failures in a row)──▶ open ◀──────────────┐
 *       ▲                                               │ openMs passed,   │ probe failed:
 *       │                                               ▼ and a call comes │ openMs doubles
 *       └───────────────(probe succeeded)────────── half-open ─────────────┘
 *
 * The probe is a call of its own, not the caller's: in `open` and in `half-open` every call is
 * refused at once, so no read ever waits for a backend that is known to be away. Results of calls
 * that were sent before it opened do not close it: a late answer says nothing about now.
 */
export class CircuitBreaker {
  #state: 'closed' | 'open' | 'half-open' = 'closed';
  #failures = 0;
  #retryAt = 0;
  #waitMs: number;
  readonly #threshold: number;
  readonly #openMs: number;
  readonly #maxOpenMs: number;
  readonly #now: () => number;
  readonly #probe: () => Promise<unknown>;

  constructor(options: CircuitBreakerOptions) {
    this.#threshold = options.failureThreshold ?? 5;
    this.#openMs = options.openMs ?? 100;
    this.#maxOpenMs = options.maxOpenMs ?? 5000;
    this.#waitMs = this.#openMs;
    this.#now = options.now;
    this.#probe = options.probe;
  }

  get state(): 'closed' | 'open' | 'half-open' {
    return this.#state;
  }

  /** May a call be sent now? Starts a probe when one is due. */
  allows(): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state === 'open' && this.#now() >= this.#retryAt) this.#startProbe();
    return false;
  }

  /** Probes now instead of at the next call: the backend has just shown a sign of life. */
  hurry(): void {
    if (this.#state === 'open') this.#startProbe();
  }

  succeeded(): void {
    if (this.#state === 'closed') this.#failures = 0;
  }

  failed(): void {
    if (this.#state !== 'closed') return;
    this.#failures += 1;
    if (this.#failures >= this.#threshold) this.#open();
  }

  #open(): void {
    this.#state = 'open';
    this.#failures = 0;
    this.#retryAt = this.#now() + this.#waitMs;
  }

  #startProbe(): void {
    this.#state = 'half-open';
    this.#probe().then(
      () => {
        this.#state = 'closed';
        this.#waitMs = this.#openMs;
      },
      () => {
        // What failed is counted where the probe was sent; here it only keeps the breaker open.
        this.#waitMs = Math.min(this.#waitMs * 2, this.#maxOpenMs);
        this.#open();
      },
    );
  }
}
