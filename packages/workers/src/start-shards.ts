import { randomInt } from 'node:crypto';
import { ClosedError, InvalidValueError, StoreError } from './error.js';
import { disownLog, type OwnedLog, ownLog } from './open-log.js';
import { Producer } from './producer.js';
import type { ProducerHandle } from './producer-handle.js';
import { Producers, type ProducerVoice } from './producers.js';
import { MAX_RING_BYTES, MIN_RING_BYTES } from './ring/ring-layout.js';
import { Board, UNIT_BYTES } from './shard/board.js';
import { ShardCounters } from './shard/shard-counters.js';
import { type ShardFailure, ShardPool } from './shard/shard-pool.js';
import type {
  CallOptions,
  ProducerLink,
  Receipt,
  Shards,
  ShardsOptions,
  ShardsStats,
  SubmitOptions,
} from './shards.js';
import { collectStats } from './shards-stats.js';
import type { ReadTask, WriteTask } from './task.js';
import { ThreadLink } from './thread-link.js';

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
  readonly #producers: Producers;
  readonly #producer: Producer;
  readonly #links = new Set<ThreadLink>();
  readonly #log: OwnedLog;
  readonly #failures = new Map<number, ShardFailure>();
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
      onRestart: (shard) => this.#producers.restarted(shard),
      onReleased: (shard, producer) => this.#producers.released(shard, producer),
      onFailed: (shard, error) => this.#onFailed(shard, error),
    });
    this.#producers = new Producers({
      board: this.#board,
      ringBytes: options.ringBytes,
      register: (shard, inbox) => this.#pool.register(shard, inbox),
      orphan: (shard, producer) => this.#pool.orphan(shard, producer),
    });
    const handle = this.#register({
      restarted: (shard, fate, port) => this.#producer.restarted(shard, fate, port),
    });
    this.#producer = new Producer(handle, () => {}); // it hears everything at once
  }

  async start(): Promise<void> {
    try {
      await this.#pool.started();
    } catch (error) {
      this.#producer.detach(new ClosedError());
      await this.#pool.destroy();
      throw this.#failure ?? error;
    }
  }

  takeRecoveredPuts(): string[] {
    return this.#pool.takeRecoveredPuts();
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
    return collectStats(this.#board, this.#counters);
  }

  openProducer(): ProducerLink {
    if (this.#closing !== undefined) throw new ClosedError();
    const link = new ThreadLink(
      (voice) => this.#register(voice),
      (id) => this.#producers.release(id),
    );
    this.#links.add(link);
    void link.released.then(() => this.#links.delete(link)); // never rejects
    for (const [shard, error] of this.#failures) link.failed(shard, error);
    return link;
  }

  close(options?: { timeoutMs?: number }): Promise<void> {
    this.#closing ??= this.#close(options?.timeoutMs ?? CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#board.close();
    this.#producer.close();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, 'timeout');
    });
    const outcome = await Promise.race([this.#drain(), timeout]);
    clearTimeout(timer);
    const { unflushedOperations, volatileOperations } = this.stats().atRisk;
    this.#producer.detach(new ClosedError());
    for (const link of this.#links) link.cut();
    await this.#pool.destroy();
    this.#producers.close();
    if (outcome === 'timeout') throw this.#leftOver(unflushedOperations, volatileOperations, timeoutMs);
    if (this.#failure !== undefined) throw this.#failure;
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
    const own = this.#producer.drain().catch(() => {});
    await Promise.all([own, ...[...this.#links].map((link) => link.end())]);
    await this.#pool.stop();
  }

  get #failure(): ShardFailure | undefined {
    return this.#failures.values().next().value;
  }

  #onFailed(shard: number, error: ShardFailure): void {
    this.#failures.set(shard, error);
    this.#producer.lose(shard, error);
    for (const link of this.#links) link.failed(shard, error);
    this.#producers.lost(shard);
    this.#options.onEvent({ type: 'shard:thread:failed', shard, error });
  }

  /** One more producer, registered with all shards. */
  #register(voice: ProducerVoice): ProducerHandle {
    const { pendingMax, pendingMaxBytes, onFull, log } = this.#options;
    return {
      ...this.#producers.open(voice),
      board: this.#board.memory,
      counters: this.#counters.memory,
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
