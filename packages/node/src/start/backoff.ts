const FIRST_MS = 100;
const MAX_MS = 10_000;
/** After this long a crash is a new misfortune, and no longer part of the last one. */
const STEADY_MS = 30_000;

/**
 * Pauses before restarts: 100 ms, doubled with each crash up to 10 s, each shortened by up to a half at
 * random, so that threads which crashed together (the database went away) do not come back together.
 */
export class Backoff {
  readonly #random: () => number;
  #crashes = 0;

  /** @param random From 0 to below 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /**
   * Milliseconds to wait before the next start.
   * @param ranMs How long it had been ready when it crashed. From 30 s on the pauses begin anew.
   */
  next(ranMs: number): number {
    if (ranMs >= STEADY_MS) this.#crashes = 0;
    const longest = Math.min(MAX_MS, FIRST_MS * 2 ** this.#crashes);
    this.#crashes += 1;
    return Math.round(longest * (1 - this.#random() / 2));
  }
}
