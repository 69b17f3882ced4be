import type { InvalidTaskError } from '../error.js';
import type { Columns, ShapeColumns } from '../flush/columns.js';
import type { AggregatedOperation, ContentOperation, Operation, PutOperation, Shape } from '../operation.js';
import { batchName, Generation, namedBatch, producerBatch } from './generation.js';
import { type AggregatedGroup, foldInto, insertMatches, startGroup, type Target, targetOf } from './group.js';

/**
 * Folds operations into groups, no I/O. `take` hands over what is pending and leaves it empty.
 *
 * ```
 * add(op) ─ shape and raw key known, group open ──────────▶ fold
 *         └ else decode its values, find its batch key ─ open group of the same target ─▶ fold
 *                                                      └ start a group behind all that conflict
 * ```
 */
export class Aggregator {
  readonly #columns: Columns;
  #generation = new Generation();
  #lastShape: Shape | undefined;
  #lastGroups: Map<string, AggregatedGroup> = new Map();

  constructor(columns: Columns) {
    this.#columns = columns;
  }

  /** Rows to write, and statements of the caller's to run. */
  get groups(): number {
    return this.#generation.groups;
  }

  get operations(): number {
    return this.#generation.operations;
  }

  /** What `take` would hand over: for reads that have to see it. */
  get pending(): Generation {
    return this.#generation;
  }

  /**
   * The operation's shape must be known to `Columns`. Throws `InvalidTaskError` for an operand that is
   * no number or no JSON; then nothing was taken.
   */
  add(op: Operation): void {
    if (op.kind === 'aggregated') this.#addAggregated(op);
    else if (op.kind === 'put') this.#addPut(op);
    else this.#addContent(op);
    this.#generation.countOperation();
  }

  /** Takes an operation that `add` refused: it is written as a dead letter. */
  refuse(operation: AggregatedOperation, error: InvalidTaskError): void {
    this.#generation.refuse({ operation, error });
    this.#generation.countOperation();
  }

  /** Everything pending, to be flushed; the aggregator is empty after. */
  take(): Generation {
    const generation = this.#generation;
    this.#generation = new Generation();
    this.#lastShape = undefined;
    return generation;
  }

  #addAggregated(op: AggregatedOperation): void {
    const { shape } = op;
    const groups = shape === this.#lastShape ? this.#lastGroups : this.#groupsOf(shape);
    const group = groups.get(op.rawKey);
    // The row of an `orInsert` is not part of the raw key, so it has to be looked at.
    if (group?.isOpen === true && (shape.insertColumns === undefined || insertsSame(group, op))) {
      if (foldInto(group, op)) return;
      group.isOpen = false;
    }
    this.#addToBatch(op, groups);
  }

  #groupsOf(shape: Shape): Map<string, AggregatedGroup> {
    const { byRawKey } = this.#generation;
    let groups = byRawKey.get(shape);
    if (groups === undefined) {
      groups = new Map();
      byRawKey.set(shape, groups);
    }
    this.#lastShape = shape;
    this.#lastGroups = groups;
    return groups;
  }

  #addToBatch(op: AggregatedOperation, groups: Map<string, AggregatedGroup>): void {
    const columns: ShapeColumns = this.#columns.of(op.shape);
    const { batchKey, whereValues, insertValues } = op.values();
    const target: Target = targetOf(op.shape, columns, op.rawKey, whereValues, insertValues);
    const batch = this.#generation.openBatch(batchName(batchKey, target));
    const known = batch.find(target);
    if (known !== undefined) {
      if (foldInto(known, op)) {
        groups.set(op.rawKey, known);
        return;
      }
      known.isOpen = false;
    }
    const level = target.reach === 'all' ? batch.levelOnTop : batch.levelFor(target);
    const group = startGroup(target, insertValues, level);
    foldInto(group, op);
    this.#generation.add(group, batch);
    groups.set(op.rawKey, group);
  }

  #addContent(op: ContentOperation): void {
    const { text, values, batchKey, producer } = op;
    const name = batchKey === undefined ? producerBatch(producer) : namedBatch(batchKey);
    const batch = this.#generation.openBatch(name);
    const { last } = batch;
    if (batchKey !== undefined && last?.kind === 'content' && last.text === text) {
      last.values = values;
      last.operations += 1;
      return;
    }
    const level = batch.levelOnTop;
    this.#generation.add({ kind: 'content', text, values, level, operations: 1 }, batch);
  }

  #addPut(op: PutOperation): void {
    this.#generation.puts.set(op.key, op);
  }
}

function insertsSame({ shape, columns, keyTexts }: AggregatedGroup, op: AggregatedOperation): boolean {
  return keyTexts !== undefined && insertMatches(shape, columns, keyTexts, op.values().insertValues);
}
