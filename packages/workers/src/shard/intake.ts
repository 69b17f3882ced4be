import type { Aggregator } from '../aggregate/aggregator.js';
import type { Decoded, FlushRequest, ReadRequest } from '../codec/record-decoder.js';
import { InvalidTaskError } from '../error.js';
import type { Columns } from '../flush/columns.js';
import type { Operation, Shape } from '../operation.js';
import { Fifo } from '../ring/fifo.js';
import type { Inbox } from './inbox.js';

/** Where something stands in the order of its shard and of its producer. */
export interface Place {
  /** Undefined for what was read from the log of an earlier process. */
  readonly inbox: Inbox | undefined;
  /** The operation's number in its inbox, mod 2^32. */
  readonly count: number;
  /** Its position in the shard. */
  readonly position: number;
  readonly units: number;
}

/** In place of operations that are passed over: they count as done once everything before them is. */
export interface Passed {
  readonly kind: 'passed';
}

export const PASSED: Passed = { kind: 'passed' };

interface Waiting {
  decoded: Decoded | Passed;
  place: Place;
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
  /** Of the operation that was folded last. */
  position = 0;
  /** Operations that were folded, and their units. */
  operations = 0;
  units = 0;
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

  take(
    decoded: Decoded | Passed,
    inbox: Inbox | undefined,
    count: number,
    position: number,
    units: number,
  ): void {
    if (this.#waiting.length === 0 && this.#isReady(decoded)) {
      this.#pass(decoded, inbox, count, position, units);
    } else {
      this.#waiting.push({ decoded, place: { inbox, count, position, units } });
    }
  }

  /** After a description: goes on as far as it can. */
  resume(): void {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (!this.#isReady(next.decoded)) return;
      this.#waiting.shift();
      const { inbox, count, position, units } = next.place;
      this.#pass(next.decoded, inbox, count, position, units);
    }
  }

  #isReady(decoded: Decoded | Passed): boolean {
    return decoded.kind !== 'aggregated' || this.#columns.isKnown(decoded.shape);
  }

  #pass(
    decoded: Decoded | Passed,
    inbox: Inbox | undefined,
    count: number,
    position: number,
    units: number,
  ): void {
    if (decoded.kind === 'read') this.#requests.onRead(decoded);
    else if (decoded.kind === 'flush') this.#requests.onFlush(decoded, inbox as Inbox);
    else {
      if (decoded.kind !== 'passed') this.#fold(decoded, units);
      if (inbox !== undefined) inbox.folded = count;
      this.position = position;
    }
  }

  #fold(operation: Operation, units: number): void {
    try {
      this.#aggregator.add(operation);
    } catch (error) {
      if (!(error instanceof InvalidTaskError) || operation.kind !== 'aggregated') throw error;
      this.#aggregator.refuse(operation, error);
      this.#requests.onRefused(operation, error);
    }
    this.operations += 1;
    this.units += units;
  }
}
