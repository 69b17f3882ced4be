import type { MessagePort } from 'node:worker_threads';
import { ClosedError } from '@zmsg/workers';
import { ThreadEndedError } from '../error.js';
import { CallPort, type Handlers } from './call-port.js';
import { EventFeed } from './event-feed.js';
import type { ThreadCalls } from './thread-calls.js';

/** Loads that the owner waits for in one thread, at most. */
const MAX_LOADS = 1_024;

export interface AttachedThreadOptions {
  /** What the thread may call; see `ownerCalls`. */
  calls: (thread: AttachedThread) => Handlers;
  /** Once, when nothing comes from the thread any more. */
  onGone: (thread: AttachedThread) => void;
}

/**
 * A thread of this engine, as the owner sees it.
 *
 * ```
 * opened ─ hello ─▶ attached ─ detach, or the owner closes ─▶ detached
 *                      └────── the port closed: it ended ───▶ ended: it may have held locks of L1
 * ```
 */
export class AttachedThread {
  readonly port: CallPort<ThreadCalls, Handlers>;
  readonly events: EventFeed;
  #threadId: number | undefined;
  #state: 'open' | 'detached' | 'ended' = 'open';

  constructor(port: MessagePort, { calls, onGone }: AttachedThreadOptions) {
    this.port = new CallPort<ThreadCalls, Handlers>(port, {
      local: calls(this),
      maxInFlight: MAX_LOADS,
      keepsAlive: false,
      onClose: () => {
        if (this.#state === 'open') this.#state = 'ended';
        onGone(this);
        return this.hasEnded
          ? new ThreadEndedError(`thread ${this.#threadId ?? '(not attached)'} has ended`)
          : new ClosedError('the thread has detached');
      },
    });
    this.events = new EventFeed((event) => this.port.note('event', event));
  }

  /** The id that the thread has, once it has attached. */
  get threadId(): number | undefined {
    return this.#threadId;
  }

  /** It is no more, without having said so. */
  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  attached(threadId: number): void {
    this.#threadId = threadId;
  }

  detached(): void {
    this.#state = 'detached';
  }
}
