import { Aggregator } from '../aggregate/aggregator.js';
import { errorRecord } from '../codec/reply.js';
import { ShapeInterner } from '../codec/shape-interner.js';
import { FencedError, type InvalidTaskError } from '../error.js';
import { Columns } from '../flush/columns.js';
import { Flusher, type FlushResult } from '../flush/flusher.js';
import type { Mark } from '../flush/progress.js';
import { isRefusal } from '../flush/session.js';
import type { Operation } from '../operation.js';
import { Backoff } from './backoff.js';
import { Board, ShardState } from './board.js';
import { Connection } from './connection.js';
import { dropMark } from './drop-mark.js';
import { FlushCycle, type Swapped } from './flush-cycle.js';
import { Inbox } from './inbox.js';
import { Intake } from './intake.js';
import { ReadQueue } from './read-queue.js';
import { ShardCounters } from './shard-counters.js';
import type { ShardCommand, ShardNotice, ShardTask } from './shard-task.js';

/**
 * One shard: everything that happens to its part of the keys, on one thread.
 *
 * ```
 *            bell                    always, also while the database is busy
 * asleep ───────────▶ drain rings ─▶ intake ─▶ aggregator ─▶ acknowledge ─▶ asleep
 *
 *            something due           one at a time
 * idle   ───────────▶ describe a column | flush a generation | answer reads ─▶ idle
 * ```
 */
export class Shard {
  readonly #task: ShardTask;
  readonly #board: Board;
  readonly #counters: ShardCounters;
  readonly #connection: Connection;
  readonly #aggregator: Aggregator;
  readonly #columns = new Columns();
  readonly #mark: Mark;
  readonly #flusher: Flusher;
  readonly #cycle: FlushCycle;
  readonly #intake: Intake;
  readonly #reads = new ReadQueue();
  readonly #interner = new ShapeInterner();
  readonly #describing = new Backoff();
  readonly #inboxes: Inbox[] = [];
  /** Operations that came out of the rings, ever. */
  #taken = 0;
  #lastError: unknown;
  #hasMark = false;
  #listening = false;
  #pumpScheduled = false;
  #working = false;
  #stopping = false;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(task: ShardTask) {
    this.#task = task;
    this.#board = new Board(task.board);
    this.#counters = new ShardCounters(task.counters);
    this.#connection = new Connection(task.shard, this.#board, task.store);
    this.#aggregator = new Aggregator(this.#columns);
    this.#mark = { logId: task.logId, shard: task.shard, epoch: 1n };
    this.#flusher = new Flusher({
      connect: () => this.#connection.client(),
      disconnect: (_, error) => this.#connection.release(error !== undefined),
      mark: this.#mark,
      columns: this.#columns,
    });
    this.#cycle = new FlushCycle(this.#aggregator, task.batchSize, task.batchIntervalMs);
    this.#intake = new Intake(this.#aggregator, this.#columns, {
      onRead: (request) => this.#reads.ready(request),
      onRefused: (operation, error) => this.#refuse(operation, error),
      onFlush: ({ requestId }, inbox) => this.#cycle.wait(inbox, requestId, this.#intake.position),
    });
  }

  /** Resolves when the shard was told to stop and has let go of everything. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#task.control.on('message', this.#onCommand);
      this.#board.setState(this.#task.shard, ShardState.running);
      this.#notify({ type: 'shard:thread:started' });
    });
  }

  readonly #onCommand = (command: ShardCommand): void => {
    if (command.type === 'register') this.#inboxes.push(new Inbox(command.inbox, this.#interner));
    else this.#stopping = true;
    this.#pump();
  };

  readonly #pump = (): void => {
    this.#pumpScheduled = false;
    if (this.#ended) return;
    try {
      this.#board.stayAwake(this.#task.shard);
      for (const inbox of this.#inboxes) this.#drain(inbox);
      this.#cycle.folded(this.#intake.position);
      this.#sleep();
      this.#work();
    } catch (error) {
      this.#fail(error);
    }
  };

  #drain(inbox: Inbox): void {
    let operations = 0;
    const bytes = inbox.read((decoded) => {
      if (decoded.kind === 'read') this.#reads.push(decoded, inbox);
      else if (decoded.kind !== 'flush') operations += 1;
      this.#intake.take(decoded, inbox);
    });
    if (bytes === 0) return;
    this.#taken += operations;
    const { shard } = this.#task;
    this.#counters.set(shard, 'operations', this.#taken);
    this.#counters.set(shard, 'pendingGroups', this.#cycle.pendingGroups);
    inbox.acknowledge(operations);
  }

  /** Waits for the bell, unless there is more already. */
  #sleep(): void {
    if (!this.#listening) {
      this.#listening = true;
      // Never rejects.
      void this.#board.bell(this.#task.shard).then(() => {
        this.#listening = false;
        this.#pump();
      });
    }
    this.#board.sleep(this.#task.shard);
    if (!this.#inboxes.some((inbox) => inbox.hasRecords())) return;
    this.#board.stayAwake(this.#task.shard);
    this.#schedulePump();
  }

  /** In the next turn of the event loop, so that the answers of the database get theirs. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    setImmediate(this.#pump);
  }

  /** Does what is due, one thing after the other. */
  #work(): void {
    const next = this.#working ? undefined : this.#nextWork();
    if (next === undefined) {
      this.#setTimer();
      if (this.#isFinished()) this.#finish();
      return;
    }
    this.#working = true;
    next
      .call(this)
      .then(() => {
        this.#working = false;
        this.#counters.set(this.#task.shard, 'pendingGroups', this.#cycle.pendingGroups);
        this.#work();
      })
      .catch((error) => this.#fail(error));
  }

  #nextWork(): (() => Promise<void>) | undefined {
    if (this.#intake.blockedBy !== undefined && this.#describing.waitMs === 0) return this.#describe;
    const hurry =
      this.#stopping || this.#board.underPressure || this.#reads.hasDeferred(this.#cycle.committed);
    if (this.#cycle.isDue(hurry) && this.#cycle.backoff.waitMs === 0) return this.#flush;
    return this.#reads.next(this.#cycle.committed) === undefined ? undefined : this.#answer;
  }

  async #describe(): Promise<void> {
    const shape = this.#intake.blockedBy;
    if (shape === undefined) return;
    try {
      await this.#columns.describe([shape], await this.#connection.client());
    } catch (error) {
      this.#describing.failed();
      await this.#noteFailure(error, this.#describing.failures);
      return;
    }
    this.#describing.succeeded();
    await this.#connection.release(false);
    this.#intake.resume();
    this.#cycle.folded(this.#intake.position);
  }

  async #flush(): Promise<void> {
    const { shard } = this.#task;
    const started = performance.now();
    const swapped = this.#cycle.swap(this.#inboxes);
    let result: FlushResult;
    try {
      if (!this.#hasMark) await this.#flusher.start(await this.#connection.client());
      this.#hasMark = true;
      result = await this.#flusher.flush(swapped.generation, BigInt(swapped.position));
    } catch (error) {
      if (error instanceof FencedError) throw error;
      this.#cycle.backoff.failed();
      await this.#noteFailure(error, swapped.attempts);
      return;
    } finally {
      this.#counters.set(shard, 'statements', this.#flusher.statements);
      this.#counters.set(shard, 'overheadStatements', this.#flusher.overheadStatements);
    }
    this.#lastError = undefined;
    this.#commit(swapped, result, performance.now() - started);
  }

  #commit(swapped: Swapped, result: FlushResult, durationMs: number): void {
    const { shard } = this.#task;
    const { operations, groups } = swapped;
    const counters = this.#counters;
    counters.add(shard, 'flushes', 1);
    counters.addLatency(shard, durationMs);
    counters.add(shard, 'applied', operations);
    for (const unmatched of result.unmatched) {
      counters.add(shard, 'unmatched', unmatched.operations);
      this.#notify({ type: 'flush:task:unmatched', shard, ...unmatched });
    }
    counters.set(shard, 'pendingGroups', this.#aggregator.groups);
    this.#notify({ type: 'flush:transaction:committed', shard, groups, operations, durationMs });
    this.#board.settle(operations);
    // Who waits for the commit may look at the figures as soon as it hears of it.
    this.#cycle.commit(swapped, durationMs);
    for (const inbox of this.#inboxes) inbox.announceCommit();
  }

  async #answer(): Promise<void> {
    const read = this.#reads.next(this.#cycle.committed);
    if (read === undefined) return;
    const { request } = read;
    try {
      const session = await this.#connection.client();
      await this.#columns.describe([request.shape], session);
      const result = await this.#flusher.read(request, this.#cycle.pending, session);
      if (!result.flushFirst) this.#reads.answer(read, result.found);
      else this.#reads.defer(read, this.#intake.position);
      await this.#connection.release(false);
    } catch (error) {
      this.#reads.fail(read, error);
      await this.#connection.release(true);
    }
  }

  async #noteFailure(error: unknown, attempt: number): Promise<void> {
    const { shard } = this.#task;
    this.#lastError = error;
    this.#counters.add(shard, 'flushFailures', 1);
    this.#notify({ type: 'flush:transaction:failed', shard, attempt, error: errorRecord(error) });
    if (!isRefusal(error)) this.#reads.failAll(error);
    await this.#connection.release(true);
  }

  /** For what becomes due by time alone. A timer that fires early finds nothing due and is set again. */
  #setTimer(): void {
    const now = performance.now();
    let dueAt = Math.min(this.#reads.nextExpiry, this.#cycle.dueAt);
    if (this.#cycle.swapped !== undefined && !this.#working)
      dueAt = Math.min(dueAt, now + this.#cycle.backoff.waitMs);
    if (this.#intake.blockedBy !== undefined && !this.#working)
      dueAt = Math.min(dueAt, now + this.#describing.waitMs);
    if (dueAt >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = dueAt;
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(dueAt - now)));
  }

  readonly #onTimer = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#reads.expire(this.#lastError);
    this.#pump();
  };

  #notify(notice: ShardNotice): void {
    this.#task.control.postMessage(notice);
  }

  #refuse(operation: Operation, error: InvalidTaskError): void {
    const { shard } = this.#task;
    const task = operation.kind === 'aggregated' ? operation.shape : undefined;
    const name = { table: task?.table ?? '', column: task?.column ?? '' };
    this.#notify({ type: 'shard:task:refused', shard, ...name, error: errorRecord(error) });
  }

  #isFinished(): boolean {
    return this.#stopping && this.#cycle.committed === this.#taken;
  }

  /** Stopped, and nothing is left: the thread can end. */
  #finish(): void {
    if (this.#ended || this.#working) return;
    this.#ended = true;
    this.#release()
      .then(() => this.#settle?.resolve())
      .catch((error) => this.#settle?.reject(error));
  }

  /** Cannot go on: what is in memory is lost with this thread, so everyone who waits must hear of it. */
  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#board.setState(this.#task.shard, ShardState.failed);
    this.#release().finally(() => this.#settle?.reject(error));
  }

  /** A mark that stays behind names a log that nobody continues: it does no harm. */
  async #dropMark(): Promise<void> {
    try {
      await dropMark(this.#mark, await this.#connection.client());
    } catch (error) {
      this.#lastError = error;
    }
  }

  async #release(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#hasMark && this.#isFinished()) await this.#dropMark();
    await this.#connection.close();
    for (const inbox of this.#inboxes) inbox.close();
    this.#task.control.close();
  }
}
