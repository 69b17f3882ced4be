import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { storeError } from '../codec/reply.js';
import { InvalidTaskError, ShardError } from '../error.js';
import type { ShardEvent, ShardsOptions } from '../shards.js';
import { type Board, ShardState } from './board.js';
import type { InboxHandle } from './inbox.js';
import type { ShardCounters } from './shard-counters.js';
import type { ShardCommand, ShardNotice, ShardTask } from './shard-task.js';

const THREAD_FILE = fileURLToPath(new URL('./shard-thread.js', import.meta.url));

interface Thread {
  readonly control: MessagePort;
  readonly started: Promise<void>;
  /** Resolves when the task ended, by itself or not. */
  readonly ended: Promise<void>;
}

export interface ShardPoolOptions {
  options: ShardsOptions;
  board: Board;
  counters: ShardCounters;
  logId: string;
  /** A thread ended that was not told to. */
  onFailed: (error: ShardError) => void;
}

/**
 * The shard threads: one Piscina pool, one endless task per thread. It keeps the process alive until
 * it is closed: what shards hold in memory would be lost if the process ended by itself.
 */
export class ShardPool {
  readonly #pool: Piscina;
  readonly #threads: Thread[] = [];
  readonly #options: ShardPoolOptions;

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
    for (let shard = 0; shard < shards; shard++) this.#threads.push(this.#start(shard));
  }

  /** Resolves when all threads run. */
  async started(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.started));
  }

  register(shard: number, inbox: InboxHandle): void {
    this.#send(shard, { type: 'register', inbox }, [inbox.port]);
  }

  /** Tells all shards to flush, let go of everything and end; resolves when they have. */
  async stop(): Promise<void> {
    for (let shard = 0; shard < this.#threads.length; shard++) this.#send(shard, { type: 'stop' }, []);
    await Promise.all(this.#threads.map((thread) => thread.ended));
  }

  /** Ends the threads, whatever they do. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
    for (const { control } of this.#threads) control.close();
  }

  #send(shard: number, command: ShardCommand, transfer: MessagePort[]): void {
    (this.#threads[shard] as Thread).control.postMessage(command, transfer);
  }

  #start(shard: number): Thread {
    const { options, board, counters, logId } = this.#options;
    const { port1, port2 } = new MessageChannel();
    const { store, batchSize, batchIntervalMs } = options;
    const task: ShardTask = {
      shard,
      board: board.memory,
      counters: counters.memory,
      store,
      batchSize,
      batchIntervalMs,
      logId,
      control: port2,
    };
    const run = this.#pool.run(task, { transferList: [port2] });
    const started = new Promise<void>((resolve, reject) => {
      port1.on('message', (notice: ShardNotice) => {
        if (notice.type === 'shard:thread:started') resolve();
        else options.onEvent(toEvent(notice));
      });
      run.catch(reject);
    });
    started.catch(() => {}); // `started()` may not be asked for any more
    const ended = run.then(
      () => {
        board.setState(shard, ShardState.ended);
      },
      (cause: Error) => {
        board.setState(shard, ShardState.failed);
        board.releasePermit(shard);
        const error = new ShardError(shard, `the thread of shard ${shard} failed: ${cause.message}`, {
          cause,
        });
        this.#options.onFailed(error);
      },
    );
    return { control: port1, started, ended };
  }
}

function toEvent(notice: Exclude<ShardNotice, { type: 'shard:thread:started' }>): ShardEvent {
  switch (notice.type) {
    case 'flush:transaction:failed':
    case 'flush:task:refused':
      return { ...notice, error: storeError(notice.error) };
    case 'shard:task:refused':
      return { ...notice, error: new InvalidTaskError(notice.error.message) };
    default:
      return notice;
  }
}
