import type { InvalidTaskError } from '../error.js';
import type { AggregatedOperation, PutOperation, Shape } from '../operation.js';
import { Batch } from './batch.js';
import type { AggregatedGroup, Group, Target } from './group.js';
import { canonicalKey } from './row-key.js';

/** Writes to `zmsg_data` by key, the newest of each. */
export type Puts = Map<string, PutOperation>;

/** An operation that was taken and cannot be folded. */
export interface RefusedOperation {
  readonly operation: AggregatedOperation;
  readonly error: InvalidTaskError;
}

/** Everything that is pending at one time: what one flush writes in one transaction. */
export class Generation {
  readonly puts: Puts = new Map();
  /** Groups by shape and raw key: a known group is found without decoding anything. */
  readonly byRawKey = new Map<Shape, Map<string, AggregatedGroup>>();
  readonly #batches = new Map<string, Batch>();
  readonly #levels: Group[][] = [];
  #groups = 0;
  #operations = 0;
  readonly #separate = new Set<Shape>();
  readonly #refused: RefusedOperation[] = [];

  /** Rows to write, and statements of the caller's to run; refused operations too. */
  get groups(): number {
    return this.#groups + this.puts.size + this.#refused.length;
  }

  get operations(): number {
    return this.#operations;
  }

  /** Groups by level, in the order in which they started. */
  get levels(): readonly (readonly Group[])[] {
    return this.#levels;
  }

  /** Operations that could not be folded, to be kept as dead letters. */
  get refused(): readonly RefusedOperation[] {
    return this.#refused;
  }

  refuse(refused: RefusedOperation): void {
    this.#refused.push(refused);
  }

  /**
   * True if the table was altered since the groups started: then each group of the shape is a statement
   * of its own, with types as PostgreSQL finds them.
   */
  isSeparate(shape: Shape): boolean {
    return this.#separate.has(shape);
  }

  separate(shape: Shape): void {
    this.#separate.add(shape);
  }

  countOperation(): void {
    this.#operations += 1;
  }

  batch(name: string): Batch | undefined {
    return this.#batches.get(name);
  }

  /** The batch of this name, made when there is none. */
  openBatch(name: string): Batch {
    let batch = this.#batches.get(name);
    if (batch === undefined) {
      batch = new Batch();
      this.#batches.set(name, batch);
    }
    return batch;
  }

  /** Takes a group that started just now into its batch and its level. */
  add(group: Group, batch: Batch): void {
    batch.add(group);
    let level = this.#levels[group.level];
    while (level === undefined) {
      this.#levels.push([]);
      level = this.#levels[group.level];
    }
    level.push(group);
    this.#groups += 1;
  }
}

/**
 * One name per batch key; the kinds of batch keys never meet. By default the condition is the batch key,
 * whichever way its values are written.
 */
export function batchName(batchKey: string | undefined, target: Target): string {
  if (batchKey !== undefined) return namedBatch(batchKey);
  const { shape, columns, rawKey, whereValues } = target;
  const texts = columns.namedKeys?.map(({ type }, i) => canonicalKey(type, whereValues[i]));
  const values = texts === undefined || texts.includes(undefined) ? `\0${rawKey}` : texts.join('\0');
  return `d${shape.table}\0${shape.whereText}\0${values}`;
}

export function namedBatch(batchKey: string): string {
  return `k${batchKey}`;
}

export function producerBatch(producer: number): string {
  return `p${producer}`;
}
