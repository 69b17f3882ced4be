import type { ReadRequest } from '../codec/record-decoder.js';
import { StoreError } from '../error.js';
import type { Inbox } from './inbox.js';

/** A read is answered or refused within this time, whatever the database does. */
const READ_TIMEOUT_MS = 10_000;

const NOT_YET = Number.POSITIVE_INFINITY;

export interface PendingRead {
  readonly request: ReadRequest;
  readonly inbox: Inbox;
  readonly expiresAt: number;
  answered: boolean;
  /** To be answered when the shard has committed up to here; infinite while writes before it are not folded. */
  after: number;
}

/** Reads in the order in which they came, each with its deadline. */
export class ReadQueue {
  readonly #reads: PendingRead[] = [];

  /** The first one that can be answered when everything up to `committed` is. It stays until then. */
  next(committed: number): PendingRead | undefined {
    return this.#reads.find((read) => read.after <= committed);
  }

  /** One of them waits for a flush. */
  hasDeferred(committed: number): boolean {
    return this.#reads.some((read) => read.after > committed && read.after !== NOT_YET);
  }

  /** Everything that was submitted before the read is folded. */
  ready(request: ReadRequest): void {
    const read = this.#reads.find((each) => each.request === request);
    if (read !== undefined) read.after = 0;
  }

  /** What is pending cannot be told from the stored rows: flush up to `position` first. */
  defer(read: PendingRead, position: number): void {
    read.after = position;
  }

  /** When the first one expires, on the clock of `performance.now`. */
  get nextExpiry(): number {
    return this.#reads[0]?.expiresAt ?? Number.POSITIVE_INFINITY;
  }

  /** From here on its time runs. */
  push(request: ReadRequest, inbox: Inbox): void {
    this.#reads.push({
      request,
      inbox,
      expiresAt: performance.now() + READ_TIMEOUT_MS,
      answered: false,
      after: NOT_YET,
    });
  }

  answer(read: PendingRead, value: unknown): void {
    if (this.#remove(read)) read.inbox.reply(read.request.requestId, value);
  }

  fail(read: PendingRead, error: unknown): void {
    if (this.#remove(read)) read.inbox.fail(read.request.requestId, error);
  }

  /** Refuses all: the database cannot be reached. */
  failAll(error: unknown): void {
    for (const read of [...this.#reads]) this.fail(read, error);
  }

  /** Refuses those whose time is over. */
  expire(cause: unknown): void {
    const now = performance.now();
    for (let read = this.#reads[0]; read !== undefined && read.expiresAt <= now; read = this.#reads[0]) {
      const reason = cause === undefined ? '' : `: ${(cause as Error).message}`;
      this.fail(
        read,
        new StoreError(`the read was not answered within ${READ_TIMEOUT_MS} ms${reason}`, { cause }),
      );
    }
  }

  #remove(read: PendingRead): boolean {
    if (read.answered) return false;
    read.answered = true;
    this.#reads.splice(this.#reads.indexOf(read), 1);
    return true;
  }
}
