import type { CircuitBreaker } from './circuit-breaker.js';
import { TierError } from './shared-tier.js';

/** Bounds every call in time, counts how it ended, and tells the breaker. */
export class TimedCalls {
  inFlight = 0;
  errors = 0;
  timeouts = 0;
  readonly #timeoutMs: number;
  readonly #breaker: CircuitBreaker;
  #whenIdle: (() => void)[] = [];

  constructor(timeoutMs: number, breaker: CircuitBreaker) {
    this.#timeoutMs = timeoutMs;
    this.#breaker = breaker;
  }

  /**
   * Settles as `reply` does, within the time-out. What comes later is ignored. `callers` wait for it, and for
   * the breaker it is one failure.
   *
   * @throws TierError
   */
  run<T>(reply: Promise<T>, callers = 1): Promise<T> {
    this.inFlight += callers;
    return new Promise<T>((resolve, reject) => {
      let settled = false;
      const giveUp = () => {
        if (settled) return;
        settled = true;
        this.timeouts += callers;
        this.#breaker.failed();
        this.#done(callers);
        reject(new TierError('timeout', `no answer from Redis within ${this.#timeoutMs} ms`));
      };
      // After a long turn of the event loop timers run before sockets are read: the answer may be
      // there already. So the verdict falls after the next poll.
      const timer = setTimeout(() => setImmediate(giveUp), this.#timeoutMs);
      reply.then(
        (value) => {
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          this.#breaker.succeeded();
          this.#done(callers);
          resolve(value);
        },
        (error: Error) => {
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          this.errors += callers;
          // An error reply (wrong type, out of memory) comes from a Redis that answers.
          if (error.name === 'ReplyError') this.#breaker.succeeded();
          else this.#breaker.failed();
          this.#done(callers);
          reject(new TierError('failed', error.message, { cause: error }));
        },
      );
    });
  }

  /** Resolves when no call waits any more: after at most one time-out if none is added. */
  idle(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #done(callers: number): void {
    this.inFlight -= callers;
    if (this.inFlight > 0 || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}
