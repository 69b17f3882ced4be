import type { Aggregator } from '../aggregate/aggregator.js';
import type { Generation } from '../aggregate/generation.js';
import { Backoff } from './backoff.js';
import type { Inbox } from './inbox.js';
import type { Intake } from './intake.js';

/** A swapped-out generation, and how far the shard and each producer will be once it is committed. */
export interface Swapped {
  readonly generation: Generation;
  readonly position: number;
  readonly operations: number;
  readonly units: number;
  readonly groups: number;
  readonly inboxes: readonly { inbox: Inbox; folded: number }[];
  attempts: number;
}

/**
 * Pause before the next flush for size alone, as a multiple of how long the last one took. While the
 * database is the bottleneck, more operations then fold into each row that is written. With 16 busy
 * shards on 2 loaded cores (Zipf 0.99 over 100 k keys) PostgreSQL took 3 µs per operation instead of 8,
 * and a half more operations were acknowledged per second; 9 was no better. Age, `flush()` and
 * back-pressure know no pause.
 */
const PAUSE_PER_FLUSH = 4;

interface Waiter {
  readonly inbox: Inbox;
  readonly requestId: number;
  readonly position: number;
}

/** When to flush, what is in flight, and who waits for it. */
export class FlushCycle {
  readonly backoff = new Backoff();
  /** The position up to which everything is committed. */
  committed = 0;
  /** Swapped out and not committed: in flight, or failed and to be tried again before anything newer. */
  swapped: Swapped | undefined;
  readonly #aggregator: Aggregator;
  readonly #batchSize: number;
  readonly #batchIntervalMs: number;
  readonly #waiters: Waiter[] = [];
  /** When the first operation of the aggregator came. */
  #oldestAt = Number.POSITIVE_INFINITY;
  /** No flush for size alone before. */
  #pausedUntil = 0;
  #position = 0;
  #operations = 0;
  #units = 0;
  #swappedOperations = 0;
  #swappedUnits = 0;
  #swappedPosition = 0;

  constructor(aggregator: Aggregator, batchSize: number, batchIntervalMs: number) {
    this.#aggregator = aggregator;
    this.#batchSize = batchSize;
    this.#batchIntervalMs = batchIntervalMs;
  }

  /** Everything up to `committed` was committed before this thread. */
  startAt(committed: number): void {
    this.committed = committed;
    this.#position = committed;
    this.#swappedPosition = committed;
  }

  /** Everything that is not committed, oldest first. */
  get pending(): readonly Generation[] {
    const { pending } = this.#aggregator;
    return this.swapped === undefined ? [pending] : [this.swapped.generation, pending];
  }

  get pendingGroups(): number {
    return this.#aggregator.groups + (this.swapped?.groups ?? 0);
  }

  /** How far the intake is: remembers when the first of a generation came. */
  folded({ position, operations, units }: Pick<Intake, 'position' | 'operations' | 'units'>): void {
    this.#position = position;
    this.#operations = operations;
    this.#units = units;
    if (this.#oldestAt === Number.POSITIVE_INFINITY && position > this.#swappedPosition) {
      this.#oldestAt = performance.now();
    }
  }

  /** Someone waits until everything up to `position` is committed. */
  wait(inbox: Inbox, requestId: number, position: number): void {
    if (position <= this.committed) inbox.reply(requestId, undefined);
    else this.#waiters.push({ inbox, requestId, position });
  }

  /** `hurry`: there is a reason besides size, age and `flush()`. */
  isDue(hurry: boolean): boolean {
    if (this.swapped !== undefined) return true;
    if (this.#position === this.committed) return false;
    return hurry || this.#waiters.length > 0 || performance.now() >= this.dueAt;
  }

  /** When size or age make a flush due, on the clock of `performance.now`. */
  get dueAt(): number {
    const byAge = this.#oldestAt + this.#batchIntervalMs;
    return this.#aggregator.groups < this.#batchSize ? byAge : Math.min(byAge, this.#pausedUntil);
  }

  /** What is to be flushed now: the generation that failed, else the one that is being filled. */
  swap(inboxes: readonly Inbox[]): Swapped {
    if (this.swapped === undefined) {
      const { groups } = this.#aggregator;
      const generation = this.#aggregator.take();
      const position = this.#position;
      this.swapped = {
        generation,
        position,
        operations: this.#operations - this.#swappedOperations,
        units: this.#units - this.#swappedUnits,
        groups,
        inboxes: inboxes.map((inbox) => ({ inbox, folded: inbox.folded })),
        attempts: 0,
      };
      this.#swappedPosition = position;
      this.#swappedOperations = this.#operations;
      this.#swappedUnits = this.#units;
      this.#oldestAt = Number.POSITIVE_INFINITY;
    }
    this.swapped.attempts += 1;
    return this.swapped;
  }

  commit(swapped: Swapped, durationMs: number): void {
    this.swapped = undefined;
    this.#pausedUntil = performance.now() + durationMs * PAUSE_PER_FLUSH;
    this.backoff.succeeded();
    this.committed = swapped.position;
  }

  /** Tells everyone who waits for the commit. */
  announce(swapped: Swapped): void {
    for (const { inbox, folded } of swapped.inboxes) inbox.applied(folded);
    const ready = this.#waiters.filter((waiter) => waiter.position <= this.committed);
    if (ready.length === 0) return;
    this.#waiters.splice(0, ready.length); // they wait in the order of their positions
    for (const { inbox, requestId } of ready) inbox.reply(requestId, undefined);
  }
}
