import { randomUUID } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import { ClosedError, InvalidValueError, type ShardError, StoreError } from './error.js';
import { Producer } from './producer.js';
import type { ProducerHandle } from './producer-handle.js';
import { ProducerBell } from './ring/producer-bell.js';
import { createRing, MAX_RING_BYTES, MIN_RING_BYTES } from './ring/ring-layout.js';
import { Board } from './shard/board.js';
import { ShardCounters } from './shard/shard-counters.js';
import { ShardPool } from './shard/shard-pool.js';
import type { CallOptions, Receipt, Shards, ShardsOptions, ShardsStats } from './shards.js';
import type { ReadTask, WriteTask } from './task.js';

const CLOSE_TIMEOUT_MS = 30_000;
const MAX_SHARDS = 1024;
const MAX_PENDING = 1 << 30;

/**
 * Starts the shard threads; resolves when all of them run. Connections to PostgreSQL are opened when
 * there is something to write. The threads keep the process alive until `close`.
 *
 * @throws InvalidValueError for options out of range.
 * @throws ShardError when a thread cannot be started.
 */
export async function startShards(options: ShardsOptions): Promise<Shards> {
  checkRange('shards', options.shards, 1, MAX_SHARDS);
  checkRange('batchSize', options.batchSize, 1, MAX_PENDING);
  checkRange('batchIntervalMs', options.batchIntervalMs, 1, 0x7fffffff);
  checkRange('pendingMax', options.pendingMax, 1, MAX_PENDING);
  checkRange('ringBytes', options.ringBytes, MIN_RING_BYTES, MAX_RING_BYTES);
  if ((options.ringBytes & (options.ringBytes - 1)) !== 0) {
    throw new InvalidValueError(`ringBytes must be a power of two, not ${options.ringBytes}`);
  }
  checkRange('store.maxConnections', options.store.maxConnections, 1, MAX_PENDING);
  const shards = new ThreadedShards(options);
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
  readonly #failures: ShardError[] = [];
  #producers = 0;
  #closing: Promise<void> | undefined;

  constructor(options: ShardsOptions) {
    this.#options = options;
    this.#board = Board.create(options.shards, options.store.maxConnections);
    this.#counters = ShardCounters.create(options.shards);
    this.#pool = new ShardPool({
      options,
      board: this.#board,
      counters: this.#counters,
      logId: randomUUID(),
      onFailed: (error) => this.#onFailed(error),
    });
    this.#producer = new Producer(this.#createProducer());
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

  submit(task: WriteTask, options?: CallOptions): Promise<Receipt> {
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
    return {
      operations: counters.sum('operations'),
      applied: counters.sum('applied'),
      pendingOperations: this.#board.pending,
      pendingGroups: counters.sum('pendingGroups'),
      flushes: counters.sum('flushes'),
      flushFailures: counters.sum('flushFailures'),
      unmatched: counters.sum('unmatched'),
      deadLetters: counters.sum('deadLetters'),
      statements: counters.sum('statements'),
      overheadStatements: counters.sum('overheadStatements'),
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
    const lost = this.#board.pending;
    this.#producer.detach(new ClosedError());
    await this.#pool.destroy();
    if (outcome === 'timeout') {
      throw new StoreError(`${lost} operations were not written within ${timeoutMs} ms`);
    }
    if (this.#failures[0] !== undefined) throw this.#failures[0];
  }

  async #drain(): Promise<void> {
    // A shard that failed rejects; it is reported when everything is closed.
    await this.#producer.drain().catch(() => {});
    await this.#pool.stop();
  }

  #onFailed(error: ShardError): void {
    this.#failures.push(error);
    this.#producer.lose(error);
    this.#options.onEvent({ type: 'shard:thread:failed', shard: error.shard, error });
  }

  /** Memory and ports of a producer, registered with all shards. */
  #createProducer(): ProducerHandle {
    const id = this.#producers++;
    const bell = new ProducerBell().memory;
    const { shards, ringBytes, pendingMax, onFull } = this.#options;
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
      onFull,
    };
  }
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new InvalidValueError(`${name} must be an integer from ${min} to ${max}, not ${value}`);
}
