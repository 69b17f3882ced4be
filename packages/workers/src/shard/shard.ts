import { Aggregator } from '../aggregate/aggregator.js';
import { errorRecord } from '../codec/reply.js';
import { ShapeInterner } from '../codec/shape-interner.js';
import type { InvalidTaskError } from '../error.js';
import { Columns } from '../flush/columns.js';
import type { Operation } from '../operation.js';
import { Board, ShardState } from './board.js';
import { FlushCycle } from './flush-cycle.js';
import { Inbox } from './inbox.js';
import { Intake } from './intake.js';
import { ReadQueue } from './read-queue.js';
import { ShardCounters } from './shard-counters.js';
import type { ShardCommand, ShardNotice, ShardTask } from './shard-task.js';
import { StoreWork } from './store-work.js';

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
  readonly #cycle: FlushCycle;
  readonly #intake: Intake;
  readonly #reads = new ReadQueue();
  readonly #store: StoreWork;
  readonly #interner = new ShapeInterner();
  readonly #inboxes: Inbox[] = [];
  /** Operations that came out of the rings, ever. */
  #taken = 0;
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
    const columns = new Columns();
    const aggregator = new Aggregator(columns);
    this.#cycle = new FlushCycle(aggregator, task.batchSize, task.batchIntervalMs);
    this.#intake = new Intake(aggregator, columns, {
      onRead: (request) => this.#reads.ready(request),
      onRefused: (operation, error) => this.#refuse(operation, error),
      onFlush: ({ requestId }, inbox) => this.#cycle.wait(inbox, requestId, this.#intake.position),
    });
    this.#store = new StoreWork({
      task,
      board: this.#board,
      counters: this.#counters,
      aggregator,
      columns,
      cycle: this.#cycle,
      intake: this.#intake,
      reads: this.#reads,
      inboxes: this.#inboxes,
      notify: (notice) => this.#notify(notice),
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
    const hurry = this.#stopping || this.#board.underPressure;
    const next = this.#working ? undefined : this.#store.next(hurry);
    if (next === undefined) {
      this.#setTimer();
      if (this.#isFinished()) this.#finish();
      return;
    }
    this.#working = true;
    next()
      .then(() => {
        this.#working = false;
        this.#counters.set(this.#task.shard, 'pendingGroups', this.#cycle.pendingGroups);
        this.#work();
      })
      .catch((error) => this.#fail(error));
  }

  /** For what becomes due by time alone. A timer that fires early finds nothing due and is set again. */
  #setTimer(): void {
    const now = performance.now();
    // The end of what is being done looks for more by itself.
    const workAt = this.#working ? Number.POSITIVE_INFINITY : this.#store.dueAt;
    const dueAt = Math.min(this.#reads.nextExpiry, workAt);
    if (dueAt >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = dueAt;
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(dueAt - now)));
  }

  readonly #onTimer = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#reads.expire(this.#store.lastError);
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
    const end = () => this.#settle?.reject(error); // the first error is the one to report
    this.#release().then(end, end);
  }

  async #release(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#store.close(this.#isFinished());
    for (const inbox of this.#inboxes) inbox.close();
    this.#task.control.close();
  }
}
