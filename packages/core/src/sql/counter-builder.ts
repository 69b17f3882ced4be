import type { CounterTask, Operand, ReadTask, Where } from '@zmsg/workers';
import { AggregatedBuilder, type Step } from './aggregated-builder.js';
import { decimalOperand, isFractional } from './decimal.js';
import type { InsertRow } from './insert-row.js';
import { TargetCache } from './target.js';

type CounterOp = CounterTask['op'] | 'get';

// Spelled out: to put them together takes longer than the rest of an `inc`.
const fractionForms = { inc: 'inc fraction', dec: 'dec fraction', set: 'set fraction' };
const places = { inc: 'the operand of inc', dec: 'the operand of dec', set: 'the operand of set' };

/**
 * An operation on a numeric column. Numbers are exact: give bigints or decimal text (`'-12.50'`)
 * where a JavaScript number is not enough; a number stands for the decimal that JavaScript prints.
 * NULL in the column counts as zero.
 */
export class CounterBuilder<Built extends CounterTask | ReadTask = CounterTask> extends AggregatedBuilder<
  CounterOp,
  Built
> {
  /**
   * Adds `n`. A fraction on an integer column is refused by PostgreSQL (22P02).
   *
   * @example
   * counter('feed_meta', 'like_count').inc(1).where('id = ?', feedId)
   */
  inc(n: number | bigint | string = 1): CounterBuilder {
    return this.#calculate('inc', n);
  }

  /**
   * Subtracts `n`. A fraction on an integer column is refused by PostgreSQL (22P02).
   *
   * @example
   * counter('feed_meta', 'like_count').dec(1).where('id = ?', feedId)
   */
  dec(n: number | bigint | string = 1): CounterBuilder {
    return this.#calculate('dec', n);
  }

  /**
   * Multiplies by `n`. On an integer column the result is rounded, half away from zero.
   *
   * @example
   * counter('feed_meta', 'score').mul('1.5').where('id = ?', feedId)
   */
  mul(n: number | bigint | string): CounterBuilder {
    const operand = decimalOperand(n, 'the operand of mul', this.target.suffix);
    return this.#operate('mul', operand);
  }

  /**
   * Sets the column to `n`. A fraction on an integer column is refused by PostgreSQL (22P02).
   *
   * @example
   * counter('feed_meta', 'like_count').set(10n ** 18n).where('id = ?', feedId)
   */
  set(n: number | bigint | string): CounterBuilder {
    return this.#calculate('set', n);
  }

  /**
   * Sets the column to zero.
   *
   * @example
   * counter('feed_meta', 'like_count').clean().where('id = ?', feedId)
   */
  clean(): CounterBuilder {
    return this.#operate('clean', undefined);
  }

  /**
   * Reads the column; `query` adds what is pending for it on this node.
   *
   * @example
   * await zm.query(counter('feed_meta', 'like_count').get().where('id = ?', feedId));
   */
  get(): CounterBuilder<ReadTask> {
    return this.#operate<ReadTask>('get', undefined);
  }

  /** @internal */
  draft(): Built {
    const step = this.operation();
    const where = this.rows();
    const { table, column } = this.target;
    const text = this.text(step, where);
    const values = this.values(step, where);
    const orInsert = this.row?.record;
    const task: CounterTask | ReadTask =
      step.op === 'get'
        ? {
            kind: 'counter',
            op: 'get',
            key: undefined,
            table,
            column,
            where,
            batchKey: this.key,
            orInsert,
            text,
            values,
          }
        : {
            kind: 'counter',
            op: step.op,
            operand: step.operand,
            table,
            column,
            where,
            batchKey: this.key,
            orInsert,
            text,
            values,
          };
    return task as Built;
  }

  protected get kind(): 'counter' {
    return 'counter';
  }

  protected with(
    step: Step<CounterOp> | undefined,
    condition: Where | undefined,
    key: string | undefined,
    row: InsertRow | undefined,
  ): this {
    return new CounterBuilder<Built>(this.target, step, condition, key, row) as this;
  }

  #calculate(op: 'inc' | 'dec' | 'set', n: number | bigint | string): CounterBuilder {
    const operand = decimalOperand(n, places[op], this.target.suffix);
    const form = isFractional(operand) ? fractionForms[op] : op;
    return this.#operate(op, operand, form);
  }

  #operate<Next extends CounterTask | ReadTask = CounterTask>(
    op: CounterOp,
    operand: Operand | undefined,
    form: string = op,
    key: string | undefined = undefined,
  ): CounterBuilder<Next> {
    const step = this.only(op, operand, form, key);
    return new CounterBuilder<Next>(this.target, step, this.condition, this.key, this.row);
  }
}

const builders = new TargetCache((target) => new CounterBuilder(target));

/**
 * Operations on a numeric column. `table` is `name` or `schema.name`; names are validated
 * (`InvalidTaskError`) and quoted, so their case counts.
 *
 * @example
 * counter('feed_meta', 'like_count').inc(1).where('id = ?', feedId).batchKey(`meta:${feedId}`)
 */
export function counter(table: string, column: string): CounterBuilder {
  return builders.get(table, column);
}
