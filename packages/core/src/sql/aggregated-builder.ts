import {
  type CounterTask,
  InvalidTaskError,
  type MapTask,
  type Operand,
  type ReadTask,
  type SliceTask,
  type Where,
} from '@zmsg/workers';
import { type AggregatedForm, aggregatedText, type Kind } from './aggregated-text.js';
import { checkBatchKey } from './batch-key.js';
import { conditionParts } from './condition.js';
import { mismatch } from './content-builder.js';
import { type InsertRow, insertRow } from './insert-row.js';
import { checkParameters } from './parameter.js';
import { maxCachedLength, maxParameters } from './statement-text.js';
import type { Target } from './target.js';

/** What these builders make. */
type AggregatedTask = CounterTask | SliceTask | MapTask | ReadTask;

/** One operation on a column, or none yet. */
export interface Step<Op extends string> {
  readonly op: Op;
  /** `op`, or a variant of its SQL; a key of `assignments`. */
  readonly form: string;
  readonly key: string | undefined;
  readonly operand: Operand | undefined;
}

const noValues: readonly unknown[] = Object.freeze([]);

/**
 * What counter, slice and map builders have in common. Immutable: each call gives a new builder, so
 * one can be kept and continued in several ways.
 */
export abstract class AggregatedBuilder<Op extends string, Built extends AggregatedTask> {
  protected readonly target: Target;
  protected readonly step: Step<Op> | undefined;
  protected readonly condition: Where | undefined;
  protected readonly key: string | undefined;
  protected readonly row: InsertRow | undefined;

  /** Use `counter`, `slice` or `map`. */
  constructor(target: Target, step?: Step<Op>, condition?: Where, key?: string, row?: InsertRow) {
    this.target = target;
    this.step = step;
    this.condition = condition;
    this.key = key;
    this.row = row;
  }

  protected abstract get kind(): Kind;
  protected abstract with(
    step: Step<Op> | undefined,
    condition: Where | undefined,
    key: string | undefined,
    row: InsertRow | undefined,
  ): this;

  /**
   * Which row: a condition with `?` for each value (see `sql`). Required; given once, so write
   * `a = ? AND b = ?`. Conditions that are equalities, and equal in text, are what batches best.
   *
   * Throws `InvalidTaskError` for a text that holds a semicolon, `$1`, a parenthesis without its
   * partner, or another number of placeholders than there are values; `InvalidValueError` for values.
   *
   * @example
   * counter('feed_meta', 'like_count').inc(1).where('id = ?', feedId)
   */
  where(text: string, ...values: unknown[]): this {
    if (this.condition !== undefined) {
      throw new InvalidTaskError('where comes once: combine conditions with AND');
    }
    const parts = conditionParts(text);
    if (parts.length !== values.length + 1) throw mismatch('the condition', parts.length - 1, values.length);
    const checked = values.length === 0 ? noValues : checkParameters(values, 'value');
    return this.with(this.step, { text, parts, values: checked }, this.key, this.row);
  }

  /**
   * Tasks with one batch key keep their order, whatever tables they are on. 1 to 512 bytes of UTF-8.
   * @default table, condition and its values: all columns of a row meet in one shard
   *
   * @example
   * counter('feed_meta', 'like_count').inc(1).where('id = ?', feedId).batchKey(`meta:${feedId}`)
   */
  batchKey(key: string): this {
    return this.with(this.step, this.condition, checkBatchKey(key), this.row);
  }

  /**
   * Inserts this row first if the condition matches none; the aggregated column is zero or empty
   * unless it is given. The columns must make the row one that the condition matches.
   *
   * Run on its own, the task is one MERGE (PostgreSQL 15): of two sessions that insert the row at the
   * same time, one fails with 23505 (unique violation) and can run again. Without a unique index
   * both insert a row.
   *
   * @example
   * counter('feed_meta', 'like_count').inc(1).where('id = ?', feedId).orInsert({ id: feedId })
   */
  orInsert(row: Record<string, unknown>): this {
    if (this.row !== undefined) throw new InvalidTaskError('orInsert comes once');
    const checked = insertRow(row, this.kind, this.target.column);
    return this.with(this.step, this.condition, this.key, checked);
  }

  /** The task, a plain frozen object. Every call that takes a task also takes the builder. */
  build(): Built {
    const task = this.draft();
    Object.freeze(task.where.values);
    Object.freeze(task.where);
    Object.freeze(task.values);
    return Object.freeze(task);
  }

  /**
   * What `build` freezes. For who submits it at once, and shows it to nobody: the four `freeze` are a sixth
   * of the time that a like takes on its caller's thread.
   * @internal
   */
  abstract draft(): Built;

  /** The operation, if it is the first one. */
  protected only(op: Op, operand: Operand | undefined, form: string, key: string | undefined): Step<Op> {
    if (this.step === undefined) return { op, form, key, operand };
    throw new InvalidTaskError(`a task is one operation: ${this.step.op} is followed by ${op}`);
  }

  /** The operation. Throws `InvalidTaskError` if there is none, or one that fits no `orInsert`. */
  protected operation(): Step<Op> {
    const { step } = this;
    if (step === undefined) throw new InvalidTaskError(`${this.#name()} has no operation`);
    if (this.row !== undefined && (step.op === 'get' || step.op === 'getKey')) {
      throw new InvalidTaskError(`${step.op} on ${this.#name()} only reads: it takes no orInsert`);
    }
    return step;
  }

  /** The condition. Throws `InvalidTaskError` if there is none. */
  protected rows(): Where {
    if (this.condition !== undefined) return this.condition;
    throw new InvalidTaskError(`a task on ${this.#name()} needs a where`);
  }

  /** The statement, made once per column, form and condition. */
  protected text(step: Step<Op>, where: Where): string {
    const { row, target } = this;
    const subject = row === undefined ? where.text : `${row.shape} ${where.text}`;
    const known = target.texts.get(step.form, row !== undefined, subject);
    if (known !== undefined) return known;
    const form: AggregatedForm = {
      kind: this.kind,
      form: step.form,
      operands: (step.key === undefined ? 0 : 1) + (step.operand === undefined ? 0 : 1),
      whereParts: where.parts,
      insertColumns: row?.columns,
    };
    const text = aggregatedText(target, form);
    if (subject.length <= maxCachedLength) target.texts.set(step.form, row !== undefined, subject, text);
    return text;
  }

  /** Key and operand as text, so that numbers keep all their digits; then condition, then row. */
  protected values(step: Step<Op>, where: Where): readonly unknown[] {
    const { row } = this;
    if (
      step.key === undefined &&
      step.operand !== undefined &&
      row === undefined &&
      where.values.length === 1
    ) {
      // Nearly every like. A literal of known length is 30 ns cheaper than pushes.
      return [String(step.operand), where.values[0]];
    }
    const values: unknown[] = [];
    if (step.key !== undefined) values.push(step.key);
    if (step.operand !== undefined) values.push(String(step.operand));
    for (const value of where.values) values.push(value);
    if (row !== undefined) for (const value of row.values) values.push(value);
    if (values.length > maxParameters) {
      throw new InvalidTaskError(`a task takes at most ${maxParameters} values`);
    }
    return values;
  }

  #name(): string {
    return `the ${this.kind} ${this.target.table}.${this.target.column}`;
  }
}
