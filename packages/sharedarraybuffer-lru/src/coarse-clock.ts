/** Lifetimes with more left than this are trusted for a moment. */
const MARGIN_MS = 60_000;
const MAX_READS = 64;
const MOMENT_MS = 1;

/**
 * Says whether a time is over. A call of `Date.now` takes a third of a hit, so an entry with more than a
 * minute left does not need one if the last was a moment ago: at most 64 reads, and at most the turn of the
 * event loop that began within the last millisecond. An entry in its last minute is judged by the exact time.
 *
 * So a read is wrong only in a thread that lets more than a minute pass without a turn of its event loop, and
 * only by what it let pass beyond that minute. A clock of the caller's is asked each time.
 */
export class CoarseClock {
  readonly #clock: () => number;
  readonly #isExact: boolean;
  #reads = 0;
  /** What ends later is not over for the next `reads` reads. */
  #safeUntil = 0;
  #isArmed = false;

  /** @param clock milliseconds since the epoch @default Date.now */
  constructor(clock: (() => number) | undefined) {
    this.#clock = clock ?? Date.now;
    this.#isExact = clock !== undefined;
  }

  isOver(time: number): boolean {
    if (this.#reads > 0 && time > this.#safeUntil) {
      this.#reads -= 1;
      return false;
    }
    return time !== Number.POSITIVE_INFINITY && time <= this.#ask();
  }

  #ask(): number {
    const now = this.#clock();
    if (this.#isExact) return now;
    this.#reads = MAX_READS;
    this.#safeUntil = now + MARGIN_MS;
    if (!this.#isArmed) {
      this.#isArmed = true;
      setTimeout(this.#forget, MOMENT_MS).unref();
    }
    return now;
  }

  readonly #forget = (): void => {
    this.#isArmed = false;
    this.#reads = 0;
  };
}
