import { receiveMessageOnPort } from 'node:worker_threads';
import { shardError } from './codec/reply.js';
import { ClosedError } from './error.js';
import type { OwnerMessage, ThreadMessage } from './link-message.js';
import { Producer } from './producer.js';
import type { AttachHandle } from './producer-handle.js';
import { takeTicket } from './producer-memory.js';
import { Board } from './shard/board.js';
import { ShardCounters } from './shard/shard-counters.js';
import type { AttachedShards, CallOptions, Receipt, ShardsStats, SubmitOptions } from './shards.js';
import { collectStats } from './shards-stats.js';
import type { ReadTask, WriteTask } from './task.js';

const CLOSE_TIMEOUT_MS = 30_000;
const MAX_TIMER_MS = 0x7fffffff;

/**
 * The shards of another thread, to which this one writes over rings of its own. Keeps the event loop alive
 * only while a call waits.
 *
 * @throws ClosedError when the handle was used before, its link is released, or the shards are closed.
 */
export function connectShards(handle: AttachHandle): AttachedShards {
  if (!takeTicket(handle.account, handle.id)) {
    throw new ClosedError('the handle was connected before, or its link is released');
  }
  return new LinkedShards(handle);
}

/**
 * ```
 * open ─ close, or the owner closes ─▶ closing (what was submitted is acknowledged) ─▶ detached
 *   └──────────────── the owner is no more ─────────────────────────────────────────────▲
 * ```
 */
class LinkedShards implements AttachedShards {
  readonly #control: AttachHandle['control'];
  readonly #board: Board;
  readonly #counters: ShardCounters;
  readonly #producer: Producer;
  #closing: Promise<void> | undefined;

  constructor(handle: AttachHandle) {
    this.#control = handle.control;
    this.#board = new Board(handle.board);
    this.#counters = new ShardCounters(handle.counters);
    this.#producer = new Producer(handle, () => this.#hear());
    this.#control.on('message', this.#onMessage);
    this.#control.on('close', () => this.#detach());
    this.#control.unref();
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
    const outcome = await Promise.race([this.#producer.settle(), timeout]);
    clearTimeout(timer);
    this.#detach();
    if (outcome === 'timeout') {
      throw new ClosedError(
        `calls were still waiting after ${timeoutMs} ms: their writes may be applied or not`,
      );
    }
  }

  /** From here on this thread writes nothing: the owner sees the port closed. */
  #detach(): void {
    this.#producer.detach(new ClosedError());
    this.#control.close();
  }

  /** Takes in what the event loop has not come to deliver. */
  #hear(): void {
    for (let next = receiveMessageOnPort(this.#control); next !== undefined; ) {
      this.#onMessage(next.message);
      next = receiveMessageOnPort(this.#control);
    }
  }

  readonly #onMessage = (message: OwnerMessage): void => {
    switch (message.type) {
      case 'shard:restarted':
        this.#producer.restarted(message.shard, message.fate, message.port);
        return;
      case 'shard:failed':
        this.#producer.lose(message.shard, shardError(message.shard, message.error));
        return;
      case 'close':
        this.#control.postMessage({ type: 'closing' } satisfies ThreadMessage);
        // How long that may take is the owner's to say.
        this.close({ timeoutMs: MAX_TIMER_MS }).catch(() => {});
        return;
      case 'closed':
        this.#detach();
        return;
    }
  };
}
