import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { logError, shardError, storeError } from '../codec/reply.js';
import { FencedError, InvalidTaskError, LogError, ShardError } from '../error.js';
import type { ShardEvent, ShardsOptions } from '../shards.js';
import { Backoff } from './backoff.js';
import { type Board, ShardState } from './board.js';
import type { InboxHandle } from './inbox.js';
import { RingKeeper, type RingNotice } from './ring-keeper.js';
import type { ShardCounters } from './shard-counters.js';
import type { ShardCommand, ShardLogTask, ShardNotice, ShardOutcome, ShardTask } from './shard-task.js';

const THREAD_FILE = fileURLToPath(new URL('./shard-thread.js', import.meta.url));
/** Deaths one after the other, with nothing committed in between, after which a shard is given up. */
const MAX_DEATHS = 8;

export type ShardFailure = ShardError | LogError | FencedError;

/** One shard's place, whichever thread has it. */
interface Seat {
  readonly shard: number;
  control: MessagePort;
  /** By producer: what was read from its ring. */
  readonly rings: Map<number, RingKeeper>;
  readonly deaths: Backoff;
  appliedAtDeath: number;
  readonly started: Promise<void>;
  readonly settleStarted: { resolve: () => void; reject: (error: ShardFailure) => void };
  isRunning: boolean;
  /** Resolves when the seat is empty for good. */
  ended: Promise<void>;
}

export interface ShardPoolOptions {
  options: ShardsOptions;
  board: Board;
  counters: ShardCounters;
  log: ShardLogTask;
  /** Of each shard, taken over by the owner. */
  marks: ReadonlyMap<number, { epoch: bigint; position: bigint }>;
  /** A thread died: gives the rings of all producers with new ports, for the one that takes its place. */
  onRestart: (shard: number) => InboxHandle[];
  /** A shard holds nothing of an orphan any more. */
  onReleased: (shard: number, producer: number) => void;
  /** A shard is given up. */
  onFailed: (shard: number, error: ShardFailure) => void;
}

/**
 * The shard threads and their supervisor: one Piscina pool, one endless task per thread.
 *
 * ```
 * starting ──▶ running ── told to stop ──▶ ended
 *    ▲            │ throws, is terminated, runs out of memory
 *    └── pause ◀──┤
 *                 └ fenced, log corrupt, or eight deaths without a commit ──▶ failed
 * ```
 *
 * It keeps the process alive until it is closed: what shards hold in memory would be lost if the
 * process ended by itself.
 */
export class ShardPool {
  readonly #pool: Piscina;
  readonly #seats: Seat[] = [];
  readonly #options: ShardPoolOptions;
  #recoveredPuts: string[] = [];
  #stopping = false;
  #destroyed = false;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    const { shards } = options.options;
    this.#pool = new Piscina({
      filename: THREAD_FILE,
      minThreads: shards,
      maxThreads: shards,
      concurrentTasksPerWorker: 1,
      // By default an idle worker blocks its event loop in Atomics.wait; shards do their own I/O.
      atomics: 'disabled',
    });
    // Threads that fail reject their task; Piscina reports those without a task here as well.
    this.#pool.on('error', () => {});
    for (let shard = 0; shard < shards; shard++) this.#seats.push(this.#open(shard));
  }

  /** Resolves when all threads run. */
  async started(): Promise<void> {
    await Promise.all(this.#seats.map((seat) => seat.started));
  }

  /** Of all shards, once they are started. */
  takeRecoveredPuts(): string[] {
    const keys = this.#recoveredPuts;
    this.#recoveredPuts = [];
    return keys;
  }

  register(shard: number, inbox: InboxHandle): void {
    this.#send(this.#seats[shard] as Seat, { type: 'register', inbox }, [inbox.port]);
  }

  /** The producer's thread writes no more: `onReleased` follows, unless the shard ends before. */
  orphan(shard: number, producer: number): void {
    this.#send(this.#seats[shard] as Seat, { type: 'orphan', producer }, []);
  }

  /** Tells all shards to flush, let go of everything and end; resolves when they have. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const seat of this.#seats) this.#send(seat, { type: 'stop' }, []);
    await Promise.all(this.#seats.map((seat) => seat.ended));
  }

  /** Ends the threads, whatever they do. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    await this.#pool.destroy();
    for (const { control } of this.#seats) control.close();
  }

  #send({ control }: Seat, command: ShardCommand, transfer: MessagePort[]): void {
    control.postMessage(command, transfer);
  }

  #open(shard: number): Seat {
    let settleStarted = { resolve: () => {}, reject: (_error: ShardFailure) => {} };
    const started = new Promise<void>((resolve, reject) => {
      settleStarted = { resolve, reject };
    });
    started.catch(() => {}); // `started()` may not be asked for any more
    const seat: Seat = {
      shard,
      control: new MessageChannel().port1,
      rings: new Map(),
      deaths: new Backoff(),
      appliedAtDeath: 0,
      started,
      settleStarted,
      isRunning: false,
      ended: Promise.resolve(),
    };
    seat.ended = this.#occupy(seat);
    return seat;
  }

  /** Runs one thread after the other until the seat is to be empty. Never rejects. */
  async #occupy(seat: Seat): Promise<void> {
    const { shard } = seat;
    let mark = this.#options.marks.get(shard);
    let inboxes: InboxHandle[] = [];
    for (;;) {
      const failure = await this.#run(seat, mark, inboxes);
      if (failure === undefined) {
        this.#options.board.setState(shard, ShardState.ended);
        return;
      }
      this.#options.board.removePermitWaiter(shard);
      this.#options.board.releasePermit(shard);
      if (this.#isFinal(seat, failure)) {
        this.#giveUp(seat, failure);
        return;
      }
      await setTimeout(seat.deaths.waitMs);
      if (this.#destroyed) return;
      mark = undefined;
      inboxes = this.#options.onRestart(shard).map((inbox) => ({
        ...inbox,
        definitions: seat.rings.get(inbox.producer)?.definitions ?? [],
        begun: seat.rings.get(inbox.producer)?.begun ?? [],
      }));
    }
  }

  #isFinal(seat: Seat, failure: ShardFailure): boolean {
    const { shard, deaths } = seat;
    const { board, counters } = this.#options;
    if (this.#destroyed || !seat.isRunning) return true; // what cannot be started once is an error of the start
    if (failure instanceof FencedError || failure instanceof LogError) return true;
    const applied = counters.get(shard, 'applied');
    if (applied > seat.appliedAtDeath) deaths.succeeded();
    seat.appliedAtDeath = applied;
    deaths.failed();
    if (deaths.failures >= MAX_DEATHS) return true;
    board.setState(shard, ShardState.starting);
    const lost = counters.get(shard, 'volatile');
    this.#options.options.onEvent({ type: 'shard:thread:restarted', shard, error: failure, lost });
    return false;
  }

  #giveUp(seat: Seat, failure: ShardFailure): void {
    const { shard } = seat;
    const { board } = this.#options;
    board.settleAll(shard);
    seat.settleStarted.reject(failure);
    this.#options.onFailed(shard, failure);
    // Who sees the state finds the reason said already.
    board.setState(shard, ShardState.failed);
  }

  /** One thread, from its start to its end. Undefined: it was told to stop, and has finished. */
  async #run(seat: Seat, mark: ShardTask['mark'], inboxes: InboxHandle[]): Promise<ShardFailure | undefined> {
    const { shard } = seat;
    const { options, board, counters, log } = this.#options;
    const { port1, port2 } = new MessageChannel();
    const { store, batchSize, batchIntervalMs } = options;
    const task: ShardTask = {
      shard,
      board: board.memory,
      counters: counters.memory,
      store,
      batchSize,
      batchIntervalMs,
      log,
      mark,
      inboxes,
      control: port2,
    };
    seat.control = port1;
    const onNotice = (notice: ShardNotice) => this.#note(seat, notice);
    port1.on('message', onNotice);
    if (this.#stopping) this.#send(seat, { type: 'stop' }, []);
    try {
      const transferList = [port2, ...inboxes.map((inbox) => inbox.port)];
      const { error }: ShardOutcome = await this.#pool.run(task, { transferList });
      return error === undefined ? undefined : shardError(shard, error);
    } catch (cause) {
      const { message } = cause as Error;
      return new ShardError(shard, `the thread of shard ${shard} died: ${message}`, { cause });
    } finally {
      // What the thread said last, above all the shapes that it has read from the rings.
      for (let last = receiveMessageOnPort(port1); last !== undefined; last = receiveMessageOnPort(port1)) {
        onNotice(last.message);
      }
      port1.close();
    }
  }

  #note(seat: Seat, notice: ShardNotice): void {
    switch (notice.type) {
      case 'shard:thread:started':
        seat.isRunning = true;
        seat.settleStarted.resolve();
        return;
      case 'shard:puts:recovered':
        this.#recoveredPuts = this.#recoveredPuts.concat(notice.keys);
        return;
      case 'ring:shape:defined':
      case 'ring:record:begun':
      case 'ring:record:taken': {
        const ring = seat.rings.get(notice.producer) ?? new RingKeeper();
        seat.rings.set(notice.producer, ring);
        ring.note(notice);
        return;
      }
      case 'shard:producer:released':
        seat.rings.delete(notice.producer);
        this.#options.onReleased(seat.shard, notice.producer);
        return;
      default:
        this.#options.options.onEvent(toEvent(notice));
    }
  }
}

function toEvent(
  notice: Exclude<
    ShardNotice,
    RingNotice | { type: 'shard:thread:started' | 'shard:puts:recovered' | 'shard:producer:released' }
  >,
): ShardEvent {
  switch (notice.type) {
    case 'flush:transaction:failed':
    case 'flush:task:refused':
      return { ...notice, error: storeError(notice.error) };
    case 'shard:task:refused':
      return { ...notice, error: new InvalidTaskError(notice.error.message) };
    case 'log:write:failed':
      return { ...notice, error: logError(notice.error) };
    default:
      return notice;
  }
}
