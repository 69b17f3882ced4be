import { setTimeout } from 'node:timers/promises';
import type { Aggregator } from '../aggregate/aggregator.js';
import { errorRecord } from '../codec/reply.js';
import { FencedError } from '../error.js';
import type { Columns } from '../flush/columns.js';
import { Flusher, type FlushResult } from '../flush/flusher.js';
import type { Mark } from '../flush/progress.js';
import { isRefusal } from '../flush/session.js';
import { Backoff } from './backoff.js';
import type { Board } from './board.js';
import { Connection } from './connection.js';
import type { FlushCycle, Swapped } from './flush-cycle.js';
import type { Inbox } from './inbox.js';
import type { Intake } from './intake.js';
import type { ReadQueue } from './read-queue.js';
import type { ShardCounters } from './shard-counters.js';
import type { ShardNotice, ShardTask } from './shard-task.js';

export interface StoreWorkParts {
  readonly task: ShardTask;
  readonly board: Board;
  readonly counters: ShardCounters;
  readonly aggregator: Aggregator;
  readonly columns: Columns;
  readonly cycle: FlushCycle;
  readonly intake: Intake;
  readonly reads: ReadQueue;
  readonly inboxes: readonly Inbox[];
  readonly notify: (notice: ShardNotice) => void;
  /** Everything up to `position` is committed. */
  readonly onCommitted: (position: number) => void;
}

/** What a shard does with its connection: one thing at a time, and the most urgent first. */
export class StoreWork {
  readonly #parts: StoreWorkParts;
  readonly #connection: Connection;
  readonly #flusher: Flusher;
  readonly #describing = new Backoff();
  /** Of the last attempt, if it failed. */
  #lastError: unknown;

  constructor(parts: StoreWorkParts) {
    const { task, board, columns } = parts;
    this.#parts = parts;
    this.#connection = new Connection(task.shard, board, task.store);
    const mark: Mark = { logId: task.log.logId, shard: task.shard, epoch: task.mark?.epoch ?? 0n };
    this.#flusher = new Flusher({
      connect: () => this.#connection.client(),
      disconnect: (_, error) => this.#connection.release(error !== undefined),
      mark,
      columns,
    });
    if (task.mark !== undefined) this.#flusher.resume(task.mark.position);
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  /** What is to be done now; undefined: nothing. `hurry`: whatever is pending is to be flushed. */
  next(hurry: boolean): (() => Promise<void>) | undefined {
    const { intake, cycle, reads } = this.#parts;
    if (intake.blockedBy !== undefined && this.#describing.waitMs === 0) return () => this.#describe();
    const isDue = cycle.isDue(hurry || reads.hasDeferred(cycle.committed));
    if (isDue && cycle.backoff.waitMs === 0) return () => this.#flush();
    return reads.next(cycle.committed) === undefined ? undefined : () => this.#answer();
  }

  /** When there is something to do next, on the clock of `performance.now`, if nothing new comes. */
  get dueAt(): number {
    const { intake, cycle } = this.#parts;
    const now = performance.now();
    const flushAt = cycle.swapped === undefined ? cycle.dueAt : now + cycle.backoff.waitMs;
    return intake.blockedBy === undefined ? flushAt : Math.min(flushAt, now + this.#describing.waitMs);
  }

  /** Takes the progress mark over, however often that has to be tried, and returns its position. */
  async takeMark(isGivenUp: () => boolean): Promise<bigint> {
    const backoff = new Backoff();
    for (;;) {
      try {
        const position = await this.#flusher.start(await this.#connection.client());
        await this.#connection.release(false);
        return position;
      } catch (error) {
        if (error instanceof FencedError || isGivenUp()) throw error;
        backoff.failed();
        await this.#noteFailure(error, backoff.failures);
        await setTimeout(backoff.waitMs);
      }
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #describe(): Promise<void> {
    const shape = this.#parts.intake.blockedBy;
    if (shape === undefined) return;
    try {
      await this.#parts.columns.describe([shape], await this.#connection.client());
    } catch (error) {
      this.#describing.failed();
      await this.#noteFailure(error, this.#describing.failures);
      return;
    }
    this.#describing.succeeded();
    await this.#connection.release(false);
    this.#parts.intake.resume();
    this.#parts.cycle.folded(this.#parts.intake);
  }

  async #flush(): Promise<void> {
    const { shard } = this.#parts.task;
    const started = performance.now();
    const swapped = this.#parts.cycle.swap(this.#parts.inboxes);
    let result: FlushResult;
    try {
      result = await this.#flusher.flush(swapped.generation, BigInt(swapped.position));
    } catch (error) {
      if (error instanceof FencedError) throw error;
      this.#parts.cycle.backoff.failed();
      await this.#noteFailure(error, swapped.attempts);
      return;
    } finally {
      this.#parts.counters.set(shard, 'statements', this.#flusher.statements);
      this.#parts.counters.set(shard, 'overheadStatements', this.#flusher.overheadStatements);
    }
    this.#lastError = undefined;
    this.#commit(swapped, result, performance.now() - started);
  }

  #commit(swapped: Swapped, result: FlushResult, durationMs: number): void {
    const { shard } = this.#parts.task;
    const { operations, units, groups } = swapped;
    const counters = this.#parts.counters;
    counters.add(shard, 'flushes', 1);
    counters.addLatency(shard, durationMs);
    counters.add(shard, 'applied', operations);
    for (const unmatched of result.unmatched) {
      counters.add(shard, 'unmatched', unmatched.operations);
      this.#parts.notify({ type: 'flush:task:unmatched', shard, ...unmatched });
    }
    for (const refused of result.deadLetters) {
      counters.add(shard, 'deadLetters', refused.deadLetters);
      this.#parts.notify({
        type: 'flush:task:refused',
        shard,
        ...refused,
        error: errorRecord(refused.error),
      });
    }
    counters.set(shard, 'pendingGroups', this.#parts.aggregator.groups);
    this.#parts.notify({ type: 'flush:transaction:committed', shard, groups, operations, durationMs });
    this.#parts.board.settle(shard, operations, units);
    this.#parts.cycle.commit(swapped, durationMs);
    this.#parts.onCommitted(swapped.position);
    // Who waits for the commit may look at the figures as soon as it hears of it.
    this.#parts.cycle.announce(swapped);
    for (const inbox of this.#parts.inboxes) inbox.announce();
  }

  async #answer(): Promise<void> {
    const read = this.#parts.reads.next(this.#parts.cycle.committed);
    if (read === undefined) return;
    const { request } = read;
    try {
      const session = await this.#connection.client();
      await this.#parts.columns.describe([request.shape], session);
      const result = await this.#flusher.read(request, this.#parts.cycle.pending, session);
      if (!result.flushFirst) this.#parts.reads.answer(read, result.found);
      else this.#parts.reads.defer(read, this.#parts.intake.position);
      await this.#connection.release(false);
    } catch (error) {
      this.#parts.reads.fail(read, error);
      await this.#connection.release(true);
    }
  }

  async #noteFailure(error: unknown, attempt: number): Promise<void> {
    const { shard } = this.#parts.task;
    this.#lastError = error;
    this.#parts.counters.add(shard, 'flushFailures', 1);
    this.#parts.notify({ type: 'flush:transaction:failed', shard, attempt, error: errorRecord(error) });
    if (!isRefusal(error)) this.#parts.reads.failAll(error);
    await this.#connection.release(true);
  }
}
