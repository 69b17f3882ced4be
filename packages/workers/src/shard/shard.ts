import { Aggregator } from '../aggregate/aggregator.js';
import { errorRecord } from '../codec/reply.js';
import { ShapeInterner } from '../codec/shape-interner.js';
import { type InvalidTaskError, LogError } from '../error.js';
import { failpoint } from '../failpoint.js';
import { Columns } from '../flush/columns.js';
import { shardDir } from '../log/layout.js';
import { ShardLog } from '../log/shard-log.js';
import type { Operation } from '../operation.js';
import { Board, ShardState } from './board.js';
import { Drain } from './drain.js';
import { FlushCycle } from './flush-cycle.js';
import { Inbox, type InboxHandle } from './inbox.js';
import { Intake, PASSED } from './intake.js';
import { ReadQueue } from './read-queue.js';
import { replay } from './replay.js';
import { ShardCounters } from './shard-counters.js';
import type { ShardCommand, ShardNotice, ShardOutcome, ShardTask } from './shard-task.js';
import { StoreWork } from './store-work.js';

/** A disk that is full refuses thousands of operations per second; one report in this time tells of all. */
const LOG_REPORT_MS = 1_000;

/**
 * One shard: everything that happens to its part of the keys, on one thread.
 *
 * ```
 * recovering ── progress mark taken, log replayed behind it ──▶ running ── told to stop, all committed ──▶ ended
 *     └─────────── log corrupt, fenced, or an error that nobody expects ────┴──────────────────────────────▲
 *
 * running:   bell                    always, also while the database is busy
 * asleep ───────────▶ drain rings ─▶ log ─▶ intake ─▶ aggregator ─▶ acknowledge ─▶ asleep
 *
 *            something due           one at a time
 * idle   ───────────▶ describe a column | flush a generation | answer reads ─▶ idle
 * ```
 */
export class Shard {
  readonly #task: ShardTask;
  readonly #board: Board;
  readonly #counters: ShardCounters;
  readonly #log: ShardLog;
  readonly #cycle: FlushCycle;
  readonly #intake: Intake;
  readonly #drain: Drain;
  readonly #reads = new ReadQueue();
  readonly #store: StoreWork;
  readonly #interner = new ShapeInterner();
  readonly #inboxes: Inbox[] = [];
  #isRecovered = false;
  /** When what is written to the log has to be on disk, on the clock of `performance.now`. */
  #syncAt = Number.POSITIVE_INFINITY;
  /** Refused since the last report of a log that fails. */
  #refusedOperations = 0;
  #reportAt = Number.NEGATIVE_INFINITY;
  #listening = false;
  #pumpScheduled = false;
  #working = false;
  #stopping = false;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #resolve: (outcome: ShardOutcome) => void = () => {};

  /** @throws LogError when the log cannot be read */
  constructor(task: ShardTask) {
    const { shard, log } = task;
    this.#task = task;
    this.#board = new Board(task.board);
    this.#counters = new ShardCounters(task.counters);
    this.#log = ShardLog.open({
      dir: shardDir(log.dir, shard),
      logId: log.logId,
      shard,
      run: log.run,
      segmentBytes: log.segmentBytes,
    });
    const columns = new Columns();
    const aggregator = new Aggregator(columns);
    this.#cycle = new FlushCycle(aggregator, task.batchSize, task.batchIntervalMs);
    this.#intake = new Intake(aggregator, columns, {
      onRead: (request) => this.#reads.ready(request),
      onRefused: (operation, error) => this.#refuse(operation, error),
      onFlush: ({ requestId }, inbox) => this.#cycle.wait(inbox, requestId, this.#intake.position),
    });
    this.#drain = new Drain({
      shard,
      board: this.#board,
      log: this.#log,
      intake: this.#intake,
      reads: this.#reads,
      onTaken: () => this.#taken(),
      onLogFailed: (error, operations) => this.#logFailed(error, operations),
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
      onCommitted: (position) => this.#committed(position),
    });
    for (const handle of task.inboxes) this.#register(handle);
  }

  /** Resolves when the shard was told to stop and has let go of everything, or cannot go on. */
  run(): Promise<ShardOutcome> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#task.control.on('message', this.#onCommand);
      this.#recover().catch((error) => this.#fail(error));
    });
  }

  readonly #onCommand = (command: ShardCommand): void => {
    if (command.type === 'register') this.#register(command.inbox);
    else if (command.type === 'orphan') this.#orphan(command.producer);
    else this.#stopping = true;
    this.#pump();
  };

  #register(handle: InboxHandle): void {
    const tally = this.#board.tally(this.#task.shard);
    this.#inboxes.push(new Inbox(handle, tally, this.#interner, (notice) => this.#notify(notice)));
    this.#counters.set(this.#task.shard, 'producers', this.#inboxes.length);
  }

  #orphan(producer: number): void {
    const inbox = this.#inboxes.find((each) => each.producer === producer);
    if (inbox !== undefined) inbox.isOrphan = true;
  }

  /** Forgets the producers that are no more, once their rings are read to the end. */
  #releaseOrphans(): void {
    for (const inbox of this.#inboxes.filter((each) => each.isOrphan && !each.hasRecords())) {
      this.#inboxes.splice(this.#inboxes.indexOf(inbox), 1);
      inbox.close();
      this.#counters.set(this.#task.shard, 'producers', this.#inboxes.length);
      this.#notify({ type: 'shard:producer:released', producer: inbox.producer });
    }
  }

  /** Goes on where the progress mark stands, with what the log holds behind it. */
  async #recover(): Promise<void> {
    const { shard, log, mark } = this.#task;
    const { tail } = this.#log;
    if (tail !== undefined) this.#notify({ type: 'log:tail:cut', shard, ...tail });
    const started = performance.now();
    const applied = Number(mark?.position ?? (await this.#store.takeMark(() => this.#ended)));
    if (this.#ended) return;
    failpoint('recovery:mark:taken');
    this.#cycle.startAt(applied);
    this.#intake.position = applied;
    const { operations, units, puts } = replay(applied, {
      log: this.#log,
      intake: this.#intake,
      interner: this.#interner,
      run: log.run,
      inboxes: this.#inboxes,
    });
    const position = Math.max(applied, this.#log.end, this.#counters.get(shard, 'position'));
    // What an earlier thread took without a log is lost, and must not be waited for.
    for (const inbox of this.#inboxes) this.#intake.take(PASSED, inbox, inbox.taken, position, 0);
    this.#drain.startAt(position, operations);
    this.#release(applied);
    this.#countRecovered(operations, units);
    this.#gauge();
    failpoint('recovery:done');
    this.#isRecovered = true;
    this.#board.setState(shard, ShardState.running);
    const durationMs = performance.now() - started;
    if (operations > 0) this.#notify({ type: 'log:operations:recovered', shard, operations, durationMs });
    // In another's place it has read what this process still knows of.
    if (mark !== undefined && puts.size > 0) this.#notify({ type: 'shard:puts:recovered', keys: [...puts] });
    this.#notify({ type: 'shard:thread:started' });
    this.#pump();
  }

  /** An earlier thread's share of what is pending is replaced by what was found in the log. */
  #countRecovered(operations: number, units: number): void {
    const { shard } = this.#task;
    const counters = this.#counters;
    this.#board.settleAll(shard);
    this.#board.recover(shard, operations, units);
    counters.set(shard, 'operations', counters.get(shard, 'applied') + operations);
    counters.add(shard, 'recovered', operations);
  }

  readonly #pump = (): void => {
    this.#pumpScheduled = false;
    if (this.#ended) return;
    try {
      this.#board.stayAwake(this.#task.shard);
      if (this.#isRecovered) {
        this.#drain.run(this.#inboxes);
        this.#cycle.folded(this.#intake);
        this.#releaseOrphans();
        if (performance.now() >= this.#syncAt) this.#sync();
      }
      this.#sleep();
      this.#work();
    } catch (error) {
      this.#fail(error);
    }
  };

  /** Who hears of an acknowledgement may look at the figures. */
  #taken(): void {
    const { shard } = this.#task;
    const counters = this.#counters;
    const { operations, position } = this.#drain;
    this.#cycle.folded(this.#intake);
    counters.add(shard, 'operations', operations);
    counters.set(shard, 'position', position);
    counters.set(shard, 'pendingGroups', this.#cycle.pendingGroups);
    if (this.#log.synced === this.#log.written) this.#syncAt = Number.POSITIVE_INFINITY;
    else if (this.#syncAt === Number.POSITIVE_INFINITY) {
      this.#syncAt = performance.now() + this.#task.log.syncIntervalMs;
    }
    this.#gauge();
  }

  /** Puts on disk what was written at level `interval`. A failure is reported, and tried again. */
  #sync(): void {
    try {
      this.#log.sync();
      this.#syncAt = Number.POSITIVE_INFINITY;
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      this.#logFailed(error, 0);
      this.#syncAt = performance.now() + this.#task.log.syncIntervalMs;
      return;
    }
    for (const inbox of this.#inboxes) {
      inbox.synced();
      inbox.announce();
    }
    this.#drain.synced();
    this.#gauge();
  }

  #committed(position: number): void {
    this.#release(position);
    this.#gauge();
  }

  /** A log that someone else may still write to is left as it is. */
  #release(position: number): void {
    if (!this.#task.log.isForeign) this.#log.release(position);
  }

  /** What would be lost, and of what age it is. */
  #gauge(): void {
    const { shard } = this.#task;
    this.#drain.committed(this.#cycle.committed);
    const { oldestAt } = this.#drain;
    this.#counters.set(shard, 'volatile', this.#drain.volatileOperations);
    this.#counters.set(shard, 'unsynced', this.#drain.unsyncedOperations);
    this.#counters.set(shard, 'oldestAt', oldestAt === undefined ? 0 : performance.timeOrigin + oldestAt);
    this.#counters.set(shard, 'logBytes', this.#log.bytes);
  }

  #logFailed(error: LogError, operations: number): void {
    const { shard } = this.#task;
    this.#counters.add(shard, 'logFailures', 1);
    this.#refusedOperations += operations;
    const now = performance.now();
    if (now < this.#reportAt) return;
    this.#reportAt = now + LOG_REPORT_MS;
    const refused = this.#refusedOperations;
    this.#refusedOperations = 0;
    this.#notify({ type: 'log:write:failed', shard, operations: refused, error: errorRecord(error) });
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
    if (!this.#isRecovered || !this.#inboxes.some((inbox) => inbox.hasRecords())) return;
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
    if (!this.#isRecovered) return;
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
    const dueAt = Math.min(this.#reads.nextExpiry, this.#syncAt, workAt);
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
    return this.#stopping && this.#cycle.committed === this.#drain.position;
  }

  /** Stopped, and nothing is left: the thread can end. */
  #finish(): void {
    if (this.#ended || this.#working) return;
    if (!this.#task.log.isForeign) this.#log.destroy();
    this.#end({ error: undefined });
  }

  /** Cannot go on. What is in the log is there for whoever comes next. */
  #fail(error: unknown): void {
    if (!this.#ended) this.#end({ error: errorRecord(error) });
  }

  #end(outcome: ShardOutcome): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#log.close();
    for (const inbox of this.#inboxes) inbox.close();
    // An error while letting go changes nothing.
    const end = () => {
      this.#task.control.close();
      this.#resolve(outcome);
    };
    this.#store.close().then(end, end);
  }
}
