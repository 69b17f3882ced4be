import type { ReadRequest } from '../codec/record-decoder.js';
import { StoreError } from '../error.js';
import type { Inbox } from './inbox.js';

/** A read is answered or refused within this time, whatever the database does. */
const READ_TIMEOUT_MS = 10_000;

export interface PendingRead {
  readonly request: ReadRequest;
  readonly inbox: Inbox;
  readonly expiresAt: number;
  answered: boolean;
}

/** Reads in the order in which they came, each with its deadline. */
export class ReadQueue {
  readonly #reads: PendingRead[] = [];

  get isEmpty(): boolean {
    return this.#reads.length === 0;
  }

  /** When the first one expires, on the clock of `performance.now`. */
  get nextExpiry(): number {
    return this.#reads[0]?.expiresAt ?? Number.POSITIVE_INFINITY;
  }

  push(request: ReadRequest, inbox: Inbox): void {
    this.#reads.push({ request, inbox, expiresAt: performance.now() + READ_TIMEOUT_MS, answered: false });
  }

  /** The first one; it stays in the queue, and may expire, until it is answered. */
  peek(): PendingRead | undefined {
    return this.#reads[0];
  }

  answer(read: PendingRead, value: unknown): void {
    if (this.#remove(read)) read.inbox.reply(read.request.requestId, value);
  }

  fail(read: PendingRead, error: unknown): void {
    if (this.#remove(read)) read.inbox.fail(read.request.requestId, error);
  }

  /** Refuses those whose time is over. */
  expire(cause: unknown): void {
    const now = performance.now();
    for (let read = this.peek(); read !== undefined && read.expiresAt <= now; read = this.peek()) {
      const reason = cause === undefined ? '' : `: ${(cause as Error).message}`;
      this.fail(read, new StoreError(`the read was not answered within ${READ_TIMEOUT_MS} ms${reason}`, { cause }));
    }
  }

  #remove(read: PendingRead): boolean {
    if (read.answered) return false;
    read.answered = true;
    this.#reads.splice(this.#reads.indexOf(read), 1);
    return true;
  }
}
