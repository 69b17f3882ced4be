import type { Aggregator } from '../aggregate/aggregator.js';
import type { Decoded, FlushRequest, ReadRequest } from '../codec/record-decoder.js';
import { InvalidTaskError } from '../error.js';
import type { Columns } from '../flush/columns.js';
import type { Operation, Shape } from '../operation.js';
import { Fifo } from '../ring/fifo.js';
import type { Inbox } from './inbox.js';

interface Waiting {
  decoded: Decoded;
  inbox: Inbox;
}

/** What is asked of the shard, once everything before it is folded. */
export interface IntakeRequests {
  onRead(request: ReadRequest): void;
  /** The operation cannot be folded; it will be a dead letter. */
  onRefused(operation: Operation, error: InvalidTaskError): void;
  onFlush(request: FlushRequest, inbox: Inbox): void;
}

/**
 * Folds what came out of the rings, in its order. How an operation is folded depends on the type of
 * its column, so what names a column not seen before waits, and everything behind it too, until the
 * database has described the column.
 */
export class Intake {
  /** Operations that were folded, ever: the shard's position. */
  position = 0;
  readonly #aggregator: Aggregator;
  readonly #columns: Columns;
  readonly #requests: IntakeRequests;
  /** Bounded by the operations that may be pending. */
  readonly #waiting = new Fifo<Waiting>();

  constructor(aggregator: Aggregator, columns: Columns, requests: IntakeRequests) {
    this.#aggregator = aggregator;
    this.#columns = columns;
    this.#requests = requests;
  }

  /** The shape that has to be described before anything goes on. */
  get blockedBy(): Shape | undefined {
    const next = this.#waiting.peek()?.decoded;
    return next?.kind === 'aggregated' ? next.shape : undefined;
  }

  take(decoded: Decoded, inbox: Inbox): void {
    if (this.#waiting.length === 0 && this.#isReady(decoded)) this.#pass(decoded, inbox);
    else this.#waiting.push({ decoded, inbox });
  }

  /** After a description: goes on as far as it can. */
  resume(): void {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (!this.#isReady(next.decoded)) return;
      this.#waiting.shift();
      this.#pass(next.decoded, next.inbox);
    }
  }

  #isReady(decoded: Decoded): boolean {
    return decoded.kind !== 'aggregated' || this.#columns.isKnown(decoded.shape);
  }

  #pass(decoded: Decoded, inbox: Inbox): void {
    if (decoded.kind === 'read') this.#requests.onRead(decoded);
    else if (decoded.kind === 'flush') this.#requests.onFlush(decoded, inbox);
    else this.#fold(decoded, inbox);
  }

  #fold(operation: Operation, inbox: Inbox): void {
    try {
      this.#aggregator.add(operation);
    } catch (error) {
      if (!(error instanceof InvalidTaskError) || operation.kind !== 'aggregated') throw error;
      this.#aggregator.refuse(operation, error);
      this.#requests.onRefused(operation, error);
    }
    inbox.folded += 1;
    this.position += 1;
  }
}
