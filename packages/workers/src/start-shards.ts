import { randomInt } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import { ClosedError, InvalidValueError, StoreError } from './error.js';
import { disownLog, type OwnedLog, ownLog } from './open-log.js';
import { Producer } from './producer.js';
import type { ProducerHandle } from './producer-handle.js';
import { ProducerBell } from './ring/producer-bell.js';
import { createRing, MAX_RING_BYTES, MIN_RING_BYTES } from './ring/ring-layout.js';
import { Board, UNIT_BYTES } from './shard/board.js';
import type { InboxHandle } from './shard/inbox.js';
import { ShardCounters } from './shard/shard-counters.js';
import { type ShardFailure, ShardPool } from './shard/shard-pool.js';
import type { CallOptions, Receipt, Shards, ShardsOptions, ShardsStats, SubmitOptions } from './shards.js';
import type { ReadTask, WriteTask } from './task.js';

const CLOSE_TIMEOUT_MS = 30_000;
const MAX_TIMER_MS = 0x7fffffff;
const MAX_SHARDS = 1024;
const MAX_PENDING = 1 << 30;
const MAX_PENDING_BYTES = 2 ** 36;

/**
 * Starts the shard threads; resolves when all of them run, with what the log held in their memory again.
 * The threads keep the process alive until `close`.
 *
 * A log that was written with another number of shards is applied to the end first, since its keys are
 * divided in another way.
 *
 * @throws InvalidValueError for options out of range.
 * @throws LogError when the log is damaged, or is not this database's.
 * @throws StoreError when PostgreSQL cannot be reached.
 * @throws ShardError when a thread cannot be started.
 */
export async function startShards(options: ShardsOptions): Promise<Shards> {
  checkRange('shards', options.shards, 1, MAX_SHARDS);
  checkRange('batchSize', options.batchSize, 1, MAX_PENDING);
  checkRange('batchIntervalMs', options.batchIntervalMs, 1, MAX_TIMER_MS);
  checkRange('pendingMax', options.pendingMax, 1, MAX_PENDING);
  checkRange('pendingMaxBytes', options.pendingMaxBytes, 1, MAX_PENDING_BYTES);
  checkRange('log.syncIntervalMs', options.log.syncIntervalMs, 1, MAX_TIMER_MS);
  checkRange('ringBytes', options.ringBytes, MIN_RING_BYTES, MAX_RING_BYTES);
  if ((options.ringBytes & (options.ringBytes - 1)) !== 0) {
    throw new InvalidValueError(`ringBytes must be a power of two, not ${options.ringBytes}`);
  }
  checkRange('store.maxConnections', options.store.maxConnections, 1, MAX_PENDING);
  const { dir } = options.log;
  const { connectionString } = options.store;
  let log = await ownLog(dir, options.shards, connectionString);
  if (log.layout.shards !== options.shards) {
    await recover({ ...options, shards: log.layout.shards }, log);
    log = await ownLog(dir, options.shards, connectionString);
  }
  return start(options, log);
}

/**
 * Applies what the log of a node that is no more holds, and deletes it; resolves with the number of
 * operations. Whoever still writes to it is fenced.
 *
 * @throws what `startShards` throws, and StoreError when PostgreSQL did not take everything
 */
export async function recoverLog(options: ShardsOptions): Promise<number> {
  const log = await ownLog(options.log.dir, options.shards, options.store.connectionString);
  return recover({ ...options, shards: log.layout.shards }, log);
}

async function recover(options: ShardsOptions, log: OwnedLog): Promise<number> {
  const shards = await start(options, log);
  const { recovered } = shards.stats().log;
  // However long it takes: failures are reported, and an end of the process loses nothing.
  await shards.close({ timeoutMs: MAX_TIMER_MS });
  return recovered;
}

async function start(options: ShardsOptions, log: OwnedLog): Promise<Shards> {
  const shards = new ThreadedShards(options, log);
  await shards.start();
  return shards;
}

/**
 * ```
 * open ─ close ─▶ closing (what was submitted is flushed) ─▶ closed
 * ```
 */
class ThreadedShards implements Shards {
  readonly #options: ShardsOptions;
  readonly #board: Board;
  readonly #counters: ShardCounters;
  readonly #pool: ShardPool;
  readonly #producer: Producer;
  readonly #handle: ProducerHandle;
  readonly #log: OwnedLog;
  readonly #failures: ShardFailure[] = [];
  #producers = 0;
  #closing: Promise<void> | undefined;

  constructor(options: ShardsOptions, log: OwnedLog) {
    this.#options = options;
    this.#log = log;
    this.#board = Board.create(options.shards, options.store.maxConnections);
    this.#counters = ShardCounters.create(options.shards);
    this.#pool = new ShardPool({
      options,
      board: this.#board,
      counters: this.#counters,
      log: {
        dir: options.log.dir,
        logId: log.layout.logId,
        run: randomInt(2 ** 32),
        syncIntervalMs: options.log.syncIntervalMs,
        segmentBytes: options.log.segmentBytes,
        isForeign: options.log.isForeign ?? false,
      },
      marks: log.marks,
      onRestart: (shard) => this.#onRestart(shard),
      onFailed: (shard, error) => this.#onFailed(shard, error),
    });
    this.#handle = this.#createProducer();
    this.#producer = new Producer(this.#handle);
  }

  async start(): Promise<void> {
    try {
      await this.#pool.started();
    } catch (error) {
      this.#producer.detach(new ClosedError());
      await this.#pool.destroy();
      throw this.#failures[0] ?? error;
    }
  }

  submit(task: WriteTask, options?: SubmitOptions): Promise<Receipt> {
    return this.#producer.submit(task, options);
  }

  read(task: ReadTask, options?: CallOptions): Promise<{ value: unknown } | undefined> {
    return this.#producer.read(task, options);
  }

  flush(options?: CallOptions): Promise<void> {
    return this.#producer.flush(options);
  }

  stats(): ShardsStats {
    const counters = this.#counters;
    const oldestAt = counters.oldestAt;
    const volatileOperations = counters.sum('volatile');
    return {
      operations: counters.sum('operations'),
      applied: counters.sum('applied'),
      pendingOperations: this.#board.pending,
      pendingBytes: this.#board.pendingUnits * UNIT_BYTES,
      pendingGroups: counters.sum('pendingGroups'),
      flushes: counters.sum('flushes'),
      flushFailures: counters.sum('flushFailures'),
      unmatched: counters.sum('unmatched'),
      deadLetters: counters.sum('deadLetters'),
      statements: counters.sum('statements'),
      overheadStatements: counters.sum('overheadStatements'),
      atRisk: {
        volatileOperations,
        unsyncedOperations: volatileOperations + counters.sum('unsynced'),
        unflushedOperations: counters.sum('operations') - counters.sum('applied'),
        oldestMs:
          oldestAt === undefined ? 0 : Math.max(0, performance.timeOrigin + performance.now() - oldestAt),
      },
      log: {
        bytes: counters.sum('logBytes'),
        failures: counters.sum('logFailures'),
        recovered: counters.sum('recovered'),
      },
      flushLatencyMs: counters.latencyMs(),
    };
  }

  close(options?: { timeoutMs?: number }): Promise<void> {
    this.#closing ??= this.#close(options?.timeoutMs ?? CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#producer.close();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, 'timeout');
    });
    const outcome = await Promise.race([this.#drain(), timeout]);
    clearTimeout(timer);
    const { unflushedOperations, volatileOperations } = this.stats().atRisk;
    this.#producer.detach(new ClosedError());
    await this.#pool.destroy();
    if (outcome === 'timeout') throw this.#leftOver(unflushedOperations, volatileOperations, timeoutMs);
    if (this.#failures[0] !== undefined) throw this.#failures[0];
    if (this.#options.log.isForeign === true) return;
    // An error here leaves marks behind, which name a log that is no more: they do no harm.
    await disownLog(this.#options.log.dir, this.#log.layout, this.#options.store.connectionString).catch(
      () => {},
    );
  }

  #leftOver(unflushed: number, lost: number, timeoutMs: number): StoreError {
    const logged = Math.max(0, unflushed - lost);
    const stay = `${logged} stay in the log in ${this.#options.log.dir} and are applied at the next start`;
    return new StoreError(
      `${unflushed} operations were not written within ${timeoutMs} ms: ${stay}, ${lost} are lost`,
    );
  }

  async #drain(): Promise<void> {
    // A shard that failed rejects; it is reported when everything is closed.
    await this.#producer.drain().catch(() => {});
    await this.#pool.stop();
  }

  #onFailed(shard: number, error: ShardFailure): void {
    this.#failures.push(error);
    this.#producer.lose(shard, error);
    this.#options.onEvent({ type: 'shard:thread:failed', shard, error });
  }

  /** The thread of a shard died: all producers get a new way back from the one that takes its place. */
  #onRestart(shard: number): InboxHandle[] {
    const { id, bell, rings } = this.#handle;
    const { port1, port2 } = new MessageChannel();
    this.#producer.restarted(shard, port1);
    return [{ producer: id, ring: rings[shard] as SharedArrayBuffer, bell, port: port2 }];
  }

  /** Memory and ports of a producer, registered with all shards. */
  #createProducer(): ProducerHandle {
    const id = this.#producers++;
    const bell = new ProducerBell().memory;
    const { shards, ringBytes, pendingMax, pendingMaxBytes, onFull, log } = this.#options;
    const lanes = Array.from({ length: shards }, (_, shard) => {
      const ring = createRing(ringBytes);
      const { port1, port2 } = new MessageChannel();
      this.#pool.register(shard, { producer: id, ring, bell, port: port2 });
      return { ring, port: port1 };
    });
    return {
      id,
      board: this.#board.memory,
      counters: this.#counters.memory,
      bell,
      rings: lanes.map(({ ring }) => ring),
      ports: lanes.map(({ port }) => port),
      pendingMax,
      pendingMaxUnits: Math.ceil(pendingMaxBytes / UNIT_BYTES),
      durability: log.durability,
      onFull,
    };
  }
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new InvalidValueError(`${name} must be an integer from ${min} to ${max}, not ${value}`);
}
