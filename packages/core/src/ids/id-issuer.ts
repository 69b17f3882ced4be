import { ClosedError } from '@zmsg/workers';
import { ClockError, LeaseLostError } from '../error.js';
import { type IdCell, WANT_OTHER_NODE, WANT_RENEWAL } from './id-cell.js';
import type { IdClock } from './id-clock.js';
import { MAX_AHEAD_MS, MAX_TIME_MS, MAX_WAIT_MS, SEQUENCES_PER_MS } from './id-layout.js';
import { idPrefix } from './id-prefix.js';

/** How long a reading of the wall clock is used, on the monotonic clock. */
const TICK_MS = 1;
const FIRST_BLOCK = 16;
const MAX_BLOCK = 256;
/** Waits of a millisecond in which the wall clock did not move at all. */
const MAX_STILL_WAITS = MAX_AHEAD_MS + MAX_WAIT_MS;
const MAX_PREFIXES = 64;

const FOUR_DIGITS: readonly string[] = Array.from({ length: 10_000 }, (_, n) => String(n).padStart(4, '0'));

/**
 * Issues ids in one thread: positions come from the shared cell in blocks, so that most ids cost one
 * reading of the monotonic clock, one plain load and one string concatenation.
 *
 * A block lies within one millisecond and is given up when the clock has passed that, so the time in
 * an id is at most 1 ms old and at most 4 ms ahead. It starts with 16 ids and doubles while a thread
 * uses up what it took: threads that need few ids do not eat up the 4,096 of the millisecond.
 *
 * Of what an id costs, four fifths are the reading of the clock (`pnpm bench --only ids`). Nothing
 * cheaper may take its place: a thread that was idle would go on with the time of its last id.
 * `performance.now()` takes 52 ns here and `Date.now()` 56, so it is the former that is read for every
 * id and the latter once per block.
 */
export class IdIssuer {
  readonly #cell: IdCell;
  readonly #clock: IdClock;
  readonly #epochMs: number;
  readonly #heads = new Map<string | undefined, Head>();
  /** Monotonic: until then neither the wall clock nor the deadline need be looked at. */
  #validUntilMs = -Infinity;

  /** The lease when this thread last looked. Within a generation limit and deadline only move on. */
  #leaseGeneration = -1;
  #node = -1;
  #limit = 0;
  #deadlineMs = -Infinity;

  /** The generation that the block belongs to. */
  #generation = -1;
  #blockMs = -1;
  #blockSize = FIRST_BLOCK;
  /** The last four decimal digits of the ids of the block that are left: from here to before `#end`. */
  #next = 0;
  #end = 0;
  /** The four digits before those, and the digits before these: the same for the whole block. */
  #middle = 0;
  #high = -1;

  #highText = '';
  #textHigh = -1;
  /** Raised with every block, and with it the heads become old. */
  #block = 0;
  /** All but the last four digits, of the last id. */
  #head = '';
  #headPrefix: string | undefined;

  constructor(cell: IdCell, clock: IdClock) {
    this.#cell = cell;
    this.#clock = clock;
    this.#epochMs = cell.epochMs;
  }

  next(prefix?: string): string {
    const monotonicMs = this.#clock.monotonicMs();
    if (
      monotonicMs >= this.#validUntilMs ||
      this.#next >= this.#end ||
      this.#cell.recentGeneration !== this.#generation ||
      prefix !== this.#headPrefix
    )
      this.#prepare(monotonicMs, prefix);
    return this.#head + FOUR_DIGITS[this.#next++];
  }

  /** Whatever is not as it was for the last id. */
  #prepare(monotonicMs: number, prefix: string | undefined): void {
    const head = this.#heads.get(prefix) ?? this.#newHead(prefix); // throws before an id is taken
    const isStale = monotonicMs >= this.#validUntilMs || this.#cell.generation !== this.#generation;
    if (isStale || this.#next >= this.#end) this.#refill(monotonicMs);
    if (head.block !== this.#block) {
      if (head.high !== this.#high) {
        head.top = head.prefixText + this.#highDigits();
        head.high = this.#high;
      }
      // Below 10^8, in the first 24 ms after the epoch, there are no zeros to fill up with.
      const text = head.top + (this.#high === 0 ? this.#middle : FOUR_DIGITS[this.#middle]);
      head.text = this.#blockSize > FIRST_BLOCK ? joined(text) : text;
      head.block = this.#block;
    }
    this.#head = head.text;
    this.#headPrefix = prefix;
  }

  /** Numbers of more than 31 bits take 200 ns to become text. These change once in 23 ms. */
  #highDigits(): string {
    if (this.#high !== this.#textHigh) {
      this.#highText = this.#high === 0 ? '' : String(this.#high);
      this.#textHigh = this.#high;
    }
    return this.#highText;
  }

  #newHead(prefix: string | undefined): Head {
    const head = { prefixText: idPrefix(prefix), high: -1, top: '', block: -1, text: '' };
    if (this.#heads.size >= MAX_PREFIXES) this.#heads.clear();
    this.#heads.set(prefix, head);
    return head;
  }

  /** Afterwards there is at least one position in the block, under a lease that holds now. */
  #refill(startMonotonicMs: number): void {
    const cell = this.#cell;
    let monotonicMs = startMonotonicMs;
    let stillWaits = 0;
    let lastWallMs = -1;
    for (;;) {
      const generation = cell.generation;
      if (generation !== this.#leaseGeneration) this.#readLease(generation);
      // A renewal moves it on, so it need not be read for every block (25 ns).
      if (monotonicMs >= this.#deadlineMs) this.#deadlineMs = cell.deadlineMs;
      if (monotonicMs >= this.#deadlineMs) {
        if (cell.generation !== generation) continue;
        cell.want(WANT_RENEWAL);
        throw new LeaseLostError();
      }
      // Before the clock is read: a thread that loses the processor in between must not take what the
      // others used meanwhile for a clock that stepped back.
      const position = cell.position;
      const wallMs = Math.floor(this.#clock.nowMs()) - this.#epochMs;
      // From 1, so that the middle digits of an id are never missing.
      if (!(wallMs >= 1 && wallMs < MAX_TIME_MS))
        throw new ClockError('the clock is outside the 69 years that follow the id epoch');
      const validUntilMs = Math.min(monotonicMs + TICK_MS, this.#deadlineMs);

      if (this.#generation === generation && this.#next < this.#end) {
        const aheadMs = this.#blockMs - wallMs;
        if (aheadMs >= 0 && aheadMs <= MAX_AHEAD_MS) {
          this.#validUntilMs = validUntilMs;
          return;
        }
      }

      const excessMs = Math.floor(position / SEQUENCES_PER_MS) - wallMs - MAX_AHEAD_MS;
      if (excessMs > 0) {
        if (cell.generation !== generation) continue;
        stillWaits = wallMs === lastWallMs ? stillWaits + 1 : 0;
        lastWallMs = wallMs;
        if (excessMs > MAX_WAIT_MS || stillWaits > MAX_STILL_WAITS) {
          cell.want(WANT_OTHER_NODE);
          throw new ClockError(`the clock is ${excessMs + MAX_AHEAD_MS} ms behind the last id`);
        }
        this.#clock.wait(1);
        monotonicMs = this.#clock.monotonicMs();
        continue;
      }

      const start = Math.max(position, wallMs * SEQUENCES_PER_MS);
      const blockMs = Math.floor(start / SEQUENCES_PER_MS);
      const usedUp = this.#blockMs >= wallMs && this.#next >= this.#end;
      const size = usedUp ? Math.min(this.#blockSize * 2, MAX_BLOCK) : FIRST_BLOCK;
      // id = (ms × 1024 + node) × 4096 + sequence, up to 2^63: past what a number holds, and BigInt to
      // decimal costs 120 ns. So split by 10,000 before the multiplication, where every part is below
      // 2^53, and again behind it: id = high × 10^8 + middle × 10^4 + last.
      const timeAndNode = blockMs * 1024 + this.#node;
      const quotient = Math.floor(timeAndNode / 10_000);
      const rest =
        (timeAndNode - quotient * 10_000) * SEQUENCES_PER_MS + (start - blockMs * SEQUENCES_PER_MS);
      const restHigh = Math.floor(rest / 10_000);
      const last = rest - restHigh * 10_000;
      // It ends with the millisecond, and where the digits before the last four change.
      const count = Math.min(size, (blockMs + 1) * SEQUENCES_PER_MS - start, 10_000 - last);
      const end = start + count;
      if (end > this.#limit) this.#limit = cell.limit;
      if (end > this.#limit) {
        if (cell.generation !== generation) continue;
        cell.want(WANT_RENEWAL);
        throw new LeaseLostError('the clock has passed the time reserved for the lease of the node id');
      }
      if (!cell.take(position, end)) continue;
      // Taken under another lease than the one whose node was read: given up, nobody gets them.
      if (cell.generation !== generation) continue;

      this.#generation = generation;
      this.#validUntilMs = validUntilMs;
      this.#block += 1;
      this.#blockMs = blockMs;
      this.#blockSize = size;
      this.#next = last;
      this.#end = last + count;
      const upper = quotient * SEQUENCES_PER_MS + restHigh;
      this.#high = Math.floor(upper / 10_000);
      this.#middle = upper - this.#high * 10_000;
      return;
    }
  }

  /**
   * What was read while the generation changed is never used: a block counts only if the generation
   * is still the same behind its compare-and-swap, and no generation comes again.
   */
  #readLease(generation: number): void {
    const { state, node, limit, deadlineMs } = this.#cell;
    if (state === 'closed') throw new ClosedError('the id generator is closed');
    if (state !== 'held') throw new LeaseLostError('no lease of a node id now; one is being acquired');
    this.#leaseGeneration = generation;
    this.#node = node;
    this.#limit = limit;
    this.#deadlineMs = deadlineMs;
  }
}

/** What ids of one prefix begin with. */
interface Head {
  readonly prefixText: string;
  /** The high digits that `top` ends with. */
  high: number;
  top: string;
  /** The block that `text` is for: prefix, high and middle digits. */
  block: number;
  text: string;
}

/**
 * V8 joins strings lazily: who reads the characters of an id pays for that, 71 ns for two parts and 112
 * for three. Reading one of the head's makes the head one part, which is worth it where many ids share
 * it. No prefix begins with NUL, but V8 does not know that: else it would leave out the reading.
 */
function joined(text: string): string {
  return text.charCodeAt(0) === 0 ? '' : text;
}
