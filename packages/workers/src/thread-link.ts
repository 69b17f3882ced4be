import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { errorRecord } from './codec/reply.js';
import { ShardError } from './error.js';
import type { LaneFate } from './lane.js';
import type { OwnerMessage, ThreadMessage } from './link-message.js';
import type { AttachHandle, ProducerHandle } from './producer-handle.js';
import { takeTicket } from './producer-memory.js';
import type { ProducerVoice } from './producers.js';
import type { ShardFailure } from './shard/shard-pool.js';
import type { ProducerLink } from './shards.js';

/** A thread that is asked to close says within this time that it heard; else it is not waited for. */
const ANSWER_TIMEOUT_MS = 1_000;

/**
 * ```
 * open ── release, or the shards are closed ──▶ asked ── its end of the port is closed ──▶ orphan ──▶ released
 *   └──────────── the thread ends, or closes by itself ─────────────────────────────────────▲
 * ```
 */
export class ThreadLink implements ProducerLink, ProducerVoice {
  readonly handle: AttachHandle;
  readonly released: Promise<void>;
  readonly #control: MessagePort;
  readonly #answered: Promise<void>;

  /**
   * @param open registers the producer
   * @param release its thread writes no more: resolves when nothing of it is held
   */
  constructor(open: (voice: ProducerVoice) => ProducerHandle, release: (id: number) => Promise<void>) {
    const { port1, port2 } = new MessageChannel();
    this.#control = port1;
    this.handle = { ...open(this), control: port2 };
    const { id } = this.handle;
    this.released = new Promise((resolve) => {
      port1.once('close', () => resolve(release(id)));
    });
    this.#answered = new Promise((resolve) => {
      port1.once('message', (_: ThreadMessage) => resolve());
    });
    port1.unref();
  }

  get transferList(): readonly MessagePort[] {
    return [...this.handle.ports, this.handle.control];
  }

  release(): Promise<void> {
    const { account, id } = this.handle;
    // With the ticket no thread can begin to write. Its port may be on its way to one.
    if (takeTicket(account, id)) this.#control.close();
    else this.#post({ type: 'close' });
    return this.released;
  }

  /** Asks the thread to close; resolves when it has, or does not answer. */
  async end(): Promise<void> {
    const released = this.release();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>((resolve) => {
      timer = setTimeout(resolve, ANSWER_TIMEOUT_MS, 'timeout');
    });
    const outcome = await Promise.race([this.#answered, released, timeout]);
    clearTimeout(timer);
    if (outcome !== 'timeout') await released;
  }

  /** The shards are no more. */
  cut(): void {
    this.#post({ type: 'closed' });
  }

  restarted(shard: number, fate: LaneFate, port: MessagePort): void {
    this.#post({ type: 'shard:restarted', shard, fate, port }, [port]);
  }

  failed(shard: number, error: ShardFailure): void {
    this.#post({
      type: 'shard:failed',
      shard,
      error: errorRecord(error instanceof ShardError ? error.cause : error),
    });
  }

  #post(message: OwnerMessage, transfer: MessagePort[] = []): void {
    this.#control.postMessage(message, transfer);
  }
}
