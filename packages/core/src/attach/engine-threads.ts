import { MessageChannel } from 'node:worker_threads';
import { ClosedError, type Shards } from '@zmsg/workers';
import type { SharedLRU } from 'sharedarraybuffer-lru';
import type { BloomHandle } from '../bloom/bloom-bits.js';
import type { PulseHandle } from '../coherence/pulse.js';
import type { EngineEvent } from '../events.js';
import type { IdHandle } from '../ids/id-cell.js';
import type { LoaderSource } from '../load/source.js';
import type { EngineStats } from '../stats.js';
import { AttachedThread } from './attached-thread.js';
import type { Handlers } from './call-port.js';
import type { ThreadEvent } from './thread-event.js';
import type { ThreadHandle, ThreadLink } from './thread-handle.js';
import { ThreadLoaders } from './thread-loaders.js';

/** How old the figures are at most that a thread does not find in shared memory. */
const STATS_INTERVAL_MS = 250;

export interface EngineThreadsParts {
  l1: SharedLRU;
  ids: IdHandle;
  shards: Pick<Shards, 'openProducer'>;
  /** Undefined: announcing a key takes more than setting its bits, or nothing at all. */
  bloom: BloomHandle | undefined;
  pulse: PulseHandle | undefined;
  options: ThreadHandle['options'];
  /** What a thread may call. */
  calls: (thread: AttachedThread) => Handlers;
  registerLoader: (prefix: string, source: LoaderSource, options: { bloom?: boolean } | undefined) => void;
  stats: () => EngineStats;
  onEvent: (event: ThreadEvent) => void;
}

/** The threads that are attached to this engine: opened here, and cleaned up after when they end. */
export class EngineThreads {
  readonly loaders: ThreadLoaders;
  readonly #parts: EngineThreadsParts;
  readonly #threads = new Set<AttachedThread>();
  #statsTimer: NodeJS.Timeout | undefined;

  constructor(parts: EngineThreadsParts) {
    this.#parts = parts;
    this.loaders = new ThreadLoaders(parts.registerLoader);
  }

  /** @throws ClosedError */
  open(): ThreadLink {
    const { l1, ids, bloom, pulse, options, calls } = this.#parts;
    const producer = this.#parts.shards.openProducer();
    const { port1, port2 } = new MessageChannel();
    const thread = new AttachedThread(port1, { calls, onGone: (gone) => this.#forget(gone) });
    this.#threads.add(thread);
    this.#statsTimer ??= setInterval(this.#sendStats, STATS_INTERVAL_MS).unref();
    return {
      handle: {
        kind: 'zmsg-thread',
        port: port2,
        l1: l1.handle,
        ids,
        shards: producer.handle,
        bloom,
        pulse,
        options,
      },
      transferList: [port2, ...producer.transferList],
      release: () => {
        thread.detached();
        thread.port.close(new ClosedError());
        void producer.release(); // never rejects
      },
    };
  }

  /** To those that listen to it. */
  broadcast(event: EngineEvent): void {
    for (const thread of this.#threads) thread.events.offer(event);
  }

  /** Threads are told to call no more; resolves when what they have called is done. */
  async drain(): Promise<void> {
    for (const { port } of this.#threads) port.note('closing');
    await Promise.all([...this.#threads].map(({ port }) => port.handled()));
  }

  /** Whatever a thread still waits for rejects there with `ClosedError`. */
  close(): void {
    for (const thread of this.#threads) {
      thread.detached();
      thread.port.close(new ClosedError());
    }
  }

  #forget(thread: AttachedThread): void {
    this.#threads.delete(thread);
    this.loaders.removeAll(thread);
    if (this.#threads.size === 0) {
      clearInterval(this.#statsTimer);
      this.#statsTimer = undefined;
    }
    const { threadId, hasEnded, port } = thread;
    if (!hasEnded || threadId === undefined) return;
    // It may have ended inside of a write: others would wait for its lock until they take it by force.
    const segments = this.#parts.l1.recover(threadId);
    this.#parts.onEvent({ type: 'attach:thread:ended', thread: threadId, calls: port.handling, segments });
  }

  readonly #sendStats = (): void => {
    const stats = this.#parts.stats();
    for (const thread of this.#threads) if (thread.threadId !== undefined) thread.port.note('stats', stats);
  };
}
