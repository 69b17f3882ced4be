/** Lifetimes with more left than this are trusted for a moment. */
const MARGIN_MS = 60_000;
const MINUTE_MS = 60_000;
const MAX_READS = 64;
const MOMENT_MS = 1;
const NEVER = 2 ** 31 - 1;

/** The minute in which a time lies, as a 32-bit integer: what `isSafe` is asked with. */
export function minuteOf(time: number): number {
  return Math.min(NEVER, Math.floor(time / MINUTE_MS));
}

/**
 * Says whether a time is over. A call of `Date.now` takes a third of a hit, so an entry with some minutes
 * left does not need one if the last was a moment ago: at most 64 reads, and at most the turn of the
 * event loop that began within the last millisecond. An entry in its last minute is judged by the exact time.
 *
 * So a read is wrong only in a thread that lets more than a minute pass without a turn of its event loop, and
 * only by what it let pass beyond that minute. A clock of the caller's is asked each time.
 */
export class CoarseClock {
  readonly #clock: () => number;
  readonly #isExact: boolean;
  #reads = 0;
  /** What ends in a later minute is not over for the next `reads` reads. */
  #safeMinute = 0;
  #isArmed = false;

  /** @param clock milliseconds since the epoch @default Date.now */
  constructor(clock: (() => number) | undefined) {
    this.#clock = clock ?? Date.now;
    this.#isExact = clock !== undefined;
  }

  /** True: a time in that minute is not over, without a look at the clock. */
  isSafe(minute: number): boolean {
    if (this.#reads === 0 || minute <= this.#safeMinute) return false;
    this.#reads -= 1;
    return true;
  }

  isOver(time: number): boolean {
    if (time === Number.POSITIVE_INFINITY || this.isSafe(minuteOf(time))) return false;
    return time <= this.#ask();
  }

  #ask(): number {
    const now = this.#clock();
    if (this.#isExact) return now;
    this.#reads = MAX_READS;
    this.#safeMinute = minuteOf(now + MARGIN_MS);
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
