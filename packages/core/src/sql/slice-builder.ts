import type { Operand, ReadTask, SliceTask, Where } from '@zmsg/workers';
import { AggregatedBuilder, type Step } from './aggregated-builder.js';
import type { InsertRow } from './insert-row.js';
import { jsonText } from './json.js';
import { TargetCache } from './target.js';

type SliceOp = SliceTask['op'] | 'get';

/** An operation on a `jsonb` column that holds an array. NULL, or anything else, counts as `[]`. */
export class SliceBuilder<Built extends SliceTask | ReadTask = SliceTask> extends AggregatedBuilder<
  SliceOp,
  Built
> {
  /**
   * Appends a JSON value, exactly: see `jsonText` for what is refused (`InvalidValueError`).
   *
   * @example
   * slice('feed_meta', 'tags').add('tag1').where('id = ?', feedId)
   */
  add(value: unknown): SliceBuilder {
    return this.#operate('add', jsonText(value, 'the value of add', this.target.suffix));
  }

  /**
   * Removes every element that equals `value` as `jsonb` does: `1` is `1.0`, keys have no order.
   *
   * @example
   * slice('feed_meta', 'tags').del('tag1').where('id = ?', feedId)
   */
  del(value: unknown): SliceBuilder {
    return this.#operate('del', jsonText(value, 'the value of del', this.target.suffix));
  }

  /**
   * Removes all elements.
   *
   * @example
   * slice('feed_meta', 'tags').clean().where('id = ?', feedId)
   */
  clean(): SliceBuilder {
    return this.#operate('clean', undefined);
  }

  /**
   * Reads the column; `query` adds what is pending for it on this node.
   *
   * @example
   * await zm.query(slice('feed_meta', 'tags').get().where('id = ?', feedId));
   */
  get(): SliceBuilder<ReadTask> {
    return this.#operate<ReadTask>('get', undefined);
  }

  /** @internal */
  draft(): Built {
    const step = this.operation();
    const where = this.rows();
    const { table, column } = this.target;
    const { key: batchKey } = this;
    const text = this.text(step, where);
    const values = this.values(step, where);
    const orInsert = this.row?.record;
    const operand = step.operand as string | undefined;
    const task: SliceTask | ReadTask =
      step.op === 'get'
        ? { kind: 'slice', op: 'get', key: undefined, table, column, where, batchKey, orInsert, text, values }
        : { kind: 'slice', op: step.op, operand, table, column, where, batchKey, orInsert, text, values };
    return task as Built;
  }

  protected get kind(): 'slice' {
    return 'slice';
  }

  protected with(
    step: Step<SliceOp> | undefined,
    condition: Where | undefined,
    key: string | undefined,
    row: InsertRow | undefined,
  ): this {
    return new SliceBuilder<Built>(this.target, step, condition, key, row) as this;
  }

  #operate<Next extends SliceTask | ReadTask = SliceTask>(
    op: SliceOp,
    operand: Operand | undefined,
    form: string = op,
    key: string | undefined = undefined,
  ): SliceBuilder<Next> {
    const step = this.only(op, operand, form, key);
    return new SliceBuilder<Next>(this.target, step, this.condition, this.key, this.row);
  }
}

const builders = new TargetCache((target) => new SliceBuilder(target));

/**
 * Operations on a `jsonb` column that holds an array. `table` is `name` or `schema.name`; names are
 * validated (`InvalidTaskError`) and quoted, so their case counts.
 *
 * @example
 * slice('feed_meta', 'tags').add('tag1').where('id = ?', feedId).batchKey(`meta:${feedId}`)
 */
export function slice(table: string, column: string): SliceBuilder {
  return builders.get(table, column);
}
