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

const LAST_DIGITS: readonly string[] = Array.from({ length: 10_000 }, (_, n) => String(n).padStart(4, '0'));

/**
 * Issues ids in one thread: positions come from the shared cell in blocks, so that most ids cost one
 * reading of the monotonic clock, one atomic load and one string concatenation.
 *
 * A block lies within one millisecond and is given up when the clock has passed that, so the time in
 * an id is at most 1 ms old and at most 4 ms ahead. It starts with 16 ids and doubles while a thread
 * uses up what it took: threads that need few ids do not eat up the 4,096 of the millisecond.
 */
export class IdIssuer {
  readonly #cell: IdCell;
  readonly #clock: IdClock;
  readonly #epochMs: number;
  readonly #prefixes = new Map<string | undefined, string>();
  /** The generation that the block belongs to. */
  #generation = -1;
  /** Monotonic: until then neither the wall clock nor the deadline need be looked at. */
  #validUntilMs = -Infinity;
  #blockMs = -1;
  #blockSize = FIRST_BLOCK;
  /** Sequence numbers of the block that are left: from `next` to before `end`. */
  #next = 0;
  #end = 0;
  /** The decimal text of the block's ids is `high` and four digits: of `low` + sequence, maybe carried. */
  #high = 0;
  #low = 0;
  /** Prefix and high digits, for the last prefix and carry. */
  #head = '';
  #headPrefix: string | undefined;
  #headCarry = false;

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
      this.#cell.generation !== this.#generation
    ) {
      const text = this.#prefix(prefix);
      this.#refill(monotonicMs);
      this.#setHead(prefix, text, this.#low + this.#next >= 10_000);
    }
    const digits = this.#low + this.#next;
    const carry = digits >= 10_000;
    if (prefix !== this.#headPrefix || carry !== this.#headCarry)
      this.#setHead(prefix, this.#prefix(prefix), carry);
    this.#next += 1;
    return this.#head + LAST_DIGITS[carry ? digits - 10_000 : digits];
  }

  #prefix(prefix: string | undefined): string {
    let text = this.#prefixes.get(prefix);
    if (text === undefined) {
      text = idPrefix(prefix);
      if (this.#prefixes.size >= MAX_PREFIXES) this.#prefixes.clear();
      this.#prefixes.set(prefix, text);
    }
    return text;
  }

  #setHead(prefix: string | undefined, text: string, carry: boolean): void {
    this.#head = text + (this.#high + (carry ? 1 : 0));
    this.#headPrefix = prefix;
    this.#headCarry = carry;
  }

  /** Afterwards there is at least one position in the block, under a lease that holds now. */
  #refill(startMonotonicMs: number): void {
    const cell = this.#cell;
    let monotonicMs = startMonotonicMs;
    let stillWaits = 0;
    let lastWallMs = -1;
    for (;;) {
      const generation = cell.generation;
      const state = cell.state;
      if (state === 'closed') throw new ClosedError('the id generator is closed');
      if (state !== 'held') throw new LeaseLostError('no lease of a node id now; one is being acquired');
      const node = cell.node;
      const deadlineMs = cell.deadlineMs;
      if (monotonicMs >= deadlineMs) {
        if (cell.generation !== generation) continue;
        cell.want(WANT_RENEWAL);
        throw new LeaseLostError();
      }
      const wallMs = Math.floor(this.#clock.nowMs()) - this.#epochMs;
      // From 1, so that no id is so small that its high digits would be missing.
      if (!(wallMs >= 1 && wallMs < MAX_TIME_MS))
        throw new ClockError('the clock is outside the 69 years that follow the id epoch');
      const validUntilMs = Math.min(monotonicMs + TICK_MS, deadlineMs);

      if (this.#generation === generation && this.#next < this.#end) {
        const aheadMs = this.#blockMs - wallMs;
        if (aheadMs >= 0 && aheadMs <= MAX_AHEAD_MS) {
          this.#validUntilMs = validUntilMs;
          return;
        }
      }

      const position = cell.position;
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
      const end = Math.min(start + size, (blockMs + 1) * SEQUENCES_PER_MS);
      if (end > cell.limit) {
        if (cell.generation !== generation) continue;
        cell.want(WANT_RENEWAL);
        throw new LeaseLostError('the clock has passed the time reserved for the lease of the node id');
      }
      if (!cell.take(position, end)) continue;
      // Taken under another lease than the one whose node was read: given up, nobody gets them.
      if (cell.generation !== generation) continue;

      this.#generation = generation;
      this.#validUntilMs = validUntilMs;
      this.#blockMs = blockMs;
      this.#blockSize = size;
      this.#next = start - blockMs * SEQUENCES_PER_MS;
      this.#end = end - blockMs * SEQUENCES_PER_MS;
      // id = (ms × 1024 + node) × 4096, up to 2^63: past what a number holds, and BigInt to decimal
      // costs 120 ns. So split by 10,000 before the multiplication, where every part is below 2^53.
      const timeAndNode = blockMs * 1024 + node;
      const quotient = Math.floor(timeAndNode / 10_000);
      const rest = (timeAndNode - quotient * 10_000) * SEQUENCES_PER_MS;
      const restHigh = Math.floor(rest / 10_000);
      this.#high = quotient * SEQUENCES_PER_MS + restHigh;
      this.#low = rest - restHigh * 10_000;
      return;
    }
  }
}
