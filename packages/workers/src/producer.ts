import { setImmediate } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { TaskEncoder } from './codec/task-encoder.js';
import { type Durability, levelOf } from './durability.js';
import { BackpressureError, ClosedError, InvalidValueError, ShardError } from './error.js';
import { Lane, type LaneFate } from './lane.js';
import type { ProducerHandle } from './producer-handle.js';
import { Requests } from './requests.js';
import { ProducerBell } from './ring/producer-bell.js';
import { Board, ShardState, unitsOf } from './shard/board.js';
import { Reservations } from './shard/reservations.js';
import { ShardCounters } from './shard/shard-counters.js';
import type { CallOptions, Receipt, SubmitOptions } from './shards.js';
import type { ReadTask, WriteTask } from './task.js';
import { Acknowledgement } from './waiting-record.js';

/** In a tick that writes more than this, shards are woken before its end. Each wake-up costs microseconds. */
const WAKE_AFTER_RECORDS = 4096;
/**
 * While something is waited for, the rings are looked at at least this often, with growing pauses. A look
 * that comes before the bell splits the batch that is under way: with 1 ms, shards wrote their logs twice for
 * what one write had done with 8, and acknowledged a sixth less per second.
 */
const MIN_POLL_MS = 8;
const MAX_POLL_MS = 50;

/**
 * One thread's end of all its rings. Everything is encoded and written on the caller's stack; the
 * shards' bells are rung once per tick.
 *
 * What is waited for comes with the bell; a timer looks as well, with pauses from 8 to 50 ms. It
 * keeps the event loop alive (a wait on shared memory does not), and it bounds the delay of what the
 * bell does not announce: an acknowledgement while another shard is stuck, and a shard that died.
 */
export class Producer {
  readonly #lanes: Lane[];
  readonly #encoder: TaskEncoder;
  readonly #board: Board;
  readonly #counters: ShardCounters;
  readonly #bell: ProducerBell;
  readonly #reservations: Reservations;
  readonly #durability: Durability;
  readonly #rejectsWhenFull: boolean;
  readonly #requests: Requests;
  #closed = false;
  /** The memory may be another producer's by now: nothing may be written there. */
  #detached = false;
  /** Lanes whose shard is to be woken at the end of the tick. */
  #dirty: Lane[] = [];
  #unannounced = 0;
  #tickScheduled = false;
  #listening = false;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = MIN_POLL_MS;
  #idleWaiters: (() => void)[] = [];
  readonly #hear: () => void;

  /** @param hear takes in what the owner of the shards has said and was not heard yet */
  constructor(handle: ProducerHandle, hear: () => void) {
    this.#hear = hear;
    this.#board = new Board(handle.board);
    this.#counters = new ShardCounters(handle.counters);
    this.#bell = new ProducerBell(handle.bell);
    this.#encoder = new TaskEncoder(handle.rings.length, handle.id);
    const { account, pendingMax, pendingMaxUnits } = handle;
    this.#reservations = new Reservations(this.#board, account, pendingMax, pendingMaxUnits);
    this.#durability = handle.durability;
    this.#rejectsWhenFull = handle.onFull === 'reject';
    this.#lanes = handle.rings.map((ring, shard) => new Lane(shard, ring, this.#scheduleTick));
    this.#requests = new Requests(handle.ports, this.#scheduleTick);
  }

  submit(task: WriteTask, options?: SubmitOptions): Promise<Receipt> {
    const signal = options?.signal;
    const level = levelOf(options?.durability ?? this.#durability);
    let lane: Lane;
    try {
      this.#check(signal);
      if (level === undefined) throw unknownDurability(options?.durability);
      lane = this.#lane(this.#encoder.write(task, level));
    } catch (error) {
      return Promise.reject(error);
    }
    const units = unitsOf(this.#encoder.recordBytes);
    if (!lane.hasWaiting && this.#reservations.reserve(units)) {
      if (lane.tryWrite(this.#encoder)) {
        return new Promise((resolve, reject) => {
          lane.expect(new Acknowledgement(resolve, reject, signal, level, units));
          this.#touch(lane);
        });
      }
      this.#reservations.cancel(units);
    }
    if (
      this.#rejectsWhenFull &&
      (lane.hasWaiting || !lane.isLong(this.#encoder) || this.#reservations.isFull(units))
    ) {
      return Promise.reject(new BackpressureError(`shard ${lane.shard} has no room for the write`));
    }
    return new Promise((resolve, reject) => {
      lane.enqueue(this.#encoder, new Acknowledgement(resolve, reject, signal, level, units));
      this.#advance(lane);
    });
  }

  read(task: ReadTask, options?: CallOptions): Promise<{ value: unknown } | undefined> {
    return this.#again(() => this.#read(task, options));
  }

  #read(task: ReadTask, options?: CallOptions): Promise<{ value: unknown } | undefined> {
    let lane: Lane;
    const requestId = this.#requests.nextId();
    try {
      this.#check(options?.signal);
      lane = this.#lane(this.#encoder.read(task, requestId));
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#request(lane, requestId, options?.signal) as Promise<{ value: unknown } | undefined>;
  }

  async flush(options?: CallOptions): Promise<void> {
    this.#check(options?.signal);
    await this.drain(options);
  }

  /** `flush`, also after `close`. Waits for every shard, also if one fails. */
  async drain(options?: CallOptions): Promise<void> {
    const outcomes = await Promise.allSettled(
      this.#lanes.map((lane) => {
        if (lane.failure !== undefined) return Promise.reject(lane.failure);
        if (lane.isIdle && this.#hasCommittedAll(lane.shard)) return undefined;
        return this.#again(() => {
          if (lane.failure !== undefined) return Promise.reject(lane.failure);
          const requestId = this.#requests.nextId();
          this.#encoder.flush(requestId);
          return this.#request(lane, requestId, options?.signal);
        });
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** No new calls. What was submitted goes on. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Resolves when everything submitted is taken or refused, all that was asked is answered, and whoever waits
   * for a commit has it.
   */
  async settle(): Promise<void> {
    for (let quietTurns = 0; quietTurns < 2 && !this.#detached; quietTurns++) {
      if (!this.#isIdle) {
        quietTurns = 0;
        // What the shard refuses, its calls tell.
        if (this.#lanes.some((lane) => lane.waitsForCommit)) await this.drain().catch(() => {});
        if (!this.#detached) await this.#whenIdle();
      }
      // Who was just told of an acknowledgement may ask for more.
      await setImmediate();
    }
  }

  /** Lets go of everything; calls that still wait are left with `error`. What is in the rings may be taken. */
  detach(error: Error): void {
    if (this.#detached) return;
    this.#closed = true;
    for (const lane of this.#lanes) this.#fail(lane, error, undefined);
    this.#requests.close();
    this.#watch();
    this.#detached = true;
  }

  /** Asks again when the shard's thread died and another one took its place. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof RestartedError)) throw error;
      }
    }
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#closed || this.#board.isClosed) throw new ClosedError();
    if (signal?.aborted) throw signal.reason;
  }

  #lane(shard: number): Lane {
    const lane = this.#lanes[shard] as Lane;
    if (lane.failure !== undefined) throw lane.failure;
    return lane;
  }

  #hasCommittedAll(shard: number): boolean {
    return this.#counters.get(shard, 'operations') === this.#counters.get(shard, 'applied');
  }

  /** Sends the encoder's record, which asks for a reply. */
  #request(lane: Lane, requestId: number, signal: AbortSignal | undefined): Promise<unknown> {
    const reply = this.#requests.add(requestId, lane, signal);
    if (lane.tryWrite(this.#encoder)) {
      this.#touch(lane);
    } else {
      lane.enqueue(this.#encoder, undefined);
      this.#advance(lane);
    }
    return reply;
  }

  #advance(lane: Lane): void {
    if (lane.advance(this.#reservations)) this.#touch(lane);
    else this.#scheduleTick();
  }

  #touch(lane: Lane): void {
    if (!lane.dirty) {
      lane.dirty = true;
      this.#dirty.push(lane);
    }
    if (++this.#unannounced >= WAKE_AFTER_RECORDS) this.#wakeShards();
    this.#scheduleTick();
  }

  readonly #scheduleTick = (): void => {
    if (this.#tickScheduled) return;
    this.#tickScheduled = true;
    queueMicrotask(this.#endTick);
  };

  readonly #endTick = (): void => {
    this.#tickScheduled = false;
    if (this.#detached) return;
    this.#wakeShards();
    this.#watch();
  };

  #wakeShards(): void {
    this.#unannounced = 0;
    for (const lane of this.#dirty) {
      lane.dirty = false;
      this.#board.wake(lane.shard);
      if (this.#board.state(lane.shard) >= ShardState.ended) this.#lose(lane);
    }
    this.#dirty.length = 0;
  }

  /** Looks what the shards have published. */
  readonly #poll = (): void => {
    let progress = false;
    for (const lane of this.#lanes) {
      if (lane.refresh()) progress = true;
      if (lane.sawRefusal) {
        lane.sawRefusal = false;
        this.#board.wake(lane.shard);
      }
      if (lane.hasWaiting && lane.advance(this.#reservations)) {
        progress = true;
        this.#touch(lane);
      }
    }
    if (progress) this.#pauseMs = MIN_POLL_MS;
    this.#watch();
  };

  get #isIdle(): boolean {
    const isWaiting = this.#lanes.some((lane) => lane.waitsForTaken || lane.waitsForCommit);
    return !isWaiting && this.#requests.size === 0;
  }

  #whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#scheduleTick();
    });
  }

  /**
   * Arms bell and timer for what is waited for, or puts both away. Half of what is outstanding is worth a
   * wake-up: this thread submits more while the shards take the rest (a tenth more per second). Where it
   * takes a sync to acknowledge, all of it is waited for: then the next batch is as large as can be, and one
   * sync pays for more.
   */
  #watch(): void {
    let written = 0;
    let outstanding = 0;
    let forSync = false;
    let forTaken = false;
    let forCommit = false;
    let presses = false;
    for (const lane of this.#lanes) {
      written += lane.written;
      outstanding += lane.written - lane.taken;
      forSync ||= lane.waitsForSync;
      forTaken ||= lane.waitsForTaken;
      forCommit ||= lane.waitsForCommit;
      presses ||= lane.blockedByPending;
    }
    this.#press(presses);
    if (!forTaken && !forCommit && this.#requests.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#pauseMs = MIN_POLL_MS;
      this.#bell.disarm();
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
      return;
    }
    this.#timer ??= setTimeout(this.#onTimer, this.#pauseMs);
    if (!this.#listening) {
      this.#listening = true;
      void this.#bell.next().then(this.#onBell); // never rejects
    }
    const wakeAt = forSync ? written : written - (outstanding >> 1);
    this.#bell.arm(forTaken ? wakeAt : undefined, forCommit);
    // What happened before the bell was armed rings no bell.
    const missed = (forTaken && this.#bell.isReached(wakeAt)) || (forCommit && this.#hasNews());
    if (missed && this.#hasNews()) this.#bell.ring();
  }

  #hasNews(): boolean {
    return this.#lanes.some((lane) => lane.hasNews());
  }

  readonly #onBell = (): void => {
    this.#listening = false;
    if (!this.#detached) this.#poll();
  };

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_POLL_MS);
    for (const lane of this.#lanes) {
      if (this.#board.state(lane.shard) >= ShardState.ended) this.#lose(lane);
    }
    this.#poll();
  };

  /** Shards flush at once while a producer waits for room among the pending operations. */
  #press(presses: boolean): void {
    if (this.#reservations.press(presses)) for (const lane of this.#lanes) this.#board.wake(lane.shard);
  }

  /** The thread of a shard has failed for good: every call that waits for it rejects, and every later one. */
  lose(shard: number, error: Error): void {
    this.#fail(this.#lanes[shard] as Lane, error, this.#reservations);
    this.#scheduleTick();
  }

  /** Another thread takes the place of a shard's, which came as far as `fate`, and answers over `port`. */
  restarted(shard: number, fate: LaneFate, port: MessagePort): void {
    const lane = this.#lanes[shard] as Lane;
    lane.restarted(fate, new ShardError(shard, `the thread of shard ${shard} died with what was not logged`));
    this.#requests.replace(lane, port, new RestartedError(shard));
    this.#scheduleTick();
  }

  /** The shard's thread is no more; why, its owner may have said. */
  #lose(lane: Lane): void {
    this.#hear();
    const { shard } = lane;
    const isStopped = this.#board.state(shard) === ShardState.ended;
    const error = isStopped
      ? new ClosedError()
      : new ShardError(shard, `the thread of shard ${shard} has ended`);
    this.#fail(lane, error, this.#reservations);
  }

  #fail(lane: Lane, error: Error, reservations: Reservations | undefined): void {
    if (lane.failure !== undefined) return;
    this.#bell.taken(lane.fail(error, reservations));
    this.#requests.fail(lane, error);
  }
}

/** A request went down with the shard's thread. Never leaves this file. */
class RestartedError extends ShardError {
  constructor(shard: number) {
    super(shard, `the thread of shard ${shard} was restarted`);
  }
}

function unknownDurability(given: unknown): InvalidValueError {
  return new InvalidValueError(`durability is one of always, interval and off, not ${String(given)}`);
}
