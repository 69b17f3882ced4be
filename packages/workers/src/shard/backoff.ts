const FIRST_MS = 100;
const LONGEST_MS = 5000;

/** When something that failed may be tried again: 100 ms, doubling up to 5 s, each with jitter. */
export class Backoff {
  readonly #now: () => number;
  readonly #random: () => number;
  #failures = 0;
  #notBefore = 0;

  constructor(now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#now = now;
    this.#random = random;
  }

  get failures(): number {
    return this.#failures;
  }

  get waitMs(): number {
    return this.#failures === 0 ? 0 : Math.max(0, this.#notBefore - this.#now());
  }

  failed(): void {
    this.#failures += 1;
    const fullMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.#failures - 1));
    // Half of it at random, so that sixteen shards do not come back in the same moment.
    this.#notBefore = this.#now() + fullMs * (0.5 + this.#random() / 2);
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
