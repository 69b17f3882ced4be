import { InvalidValueError, type MapTask, type Operand, type ReadTask, type Where } from '@zmsg/workers';
import { AggregatedBuilder, type Step } from './aggregated-builder.js';
import type { InsertRow } from './insert-row.js';
import { jsonText } from './json.js';
import { isPlainObject, kindOf } from './kind-of.js';
import { TargetCache } from './target.js';
import { textFault } from './text-fault.js';

type MapOp = MapTask['op'] | 'get' | 'getKey';

/**
 * An operation on a `jsonb` column that holds an object. NULL in the column, or anything that is no
 * object, counts as `{}`. Keys are values of the statement, never part of its text.
 */
export class MapBuilder<Built extends MapTask | ReadTask = MapTask> extends AggregatedBuilder<MapOp, Built> {
  /**
   * Sets one key to a JSON value, exactly: see `jsonText` for what is refused (`InvalidValueError`).
   *
   * @example
   * map('feed_meta', 'extra').set('key', 'val').where('id = ?', feedId)
   */
  set(key: string, value: unknown): MapBuilder {
    const operand = jsonText(value, 'the value of set', this.target.suffix);
    return this.#operate('set', operand, 'set', this.#checkKey(key, 'set'));
  }

  /**
   * Removes one key.
   *
   * @example
   * map('feed_meta', 'extra').del('key').where('id = ?', feedId)
   */
  del(key: string): MapBuilder {
    return this.#operate('del', undefined, 'del', this.#checkKey(key, 'del'));
  }

  /**
   * Merges a plain object, deeply: where both sides are objects key by key, else the new value wins
   * (arrays are replaced).
   *
   * @example
   * map('feed_meta', 'extra').merge({ counts: { likes: 3 } }).where('id = ?', feedId)
   */
  merge(object: Record<string, unknown>): MapBuilder {
    const place = `the object of merge${this.target.suffix}`;
    if (!isPlainObject(object))
      throw new InvalidValueError(`${place} is ${kindOf(object)}, not a plain object`);
    const operand = jsonText(object, place);
    // A toJSON could have made anything of it.
    if (!operand.startsWith('{')) throw new InvalidValueError(`${place} has no JSON object as its form`);
    return this.#operate('merge', operand);
  }

  /**
   * Removes all keys.
   *
   * @example
   * map('feed_meta', 'extra').clean().where('id = ?', feedId)
   */
  clean(): MapBuilder {
    return this.#operate('clean', undefined);
  }

  /**
   * Reads the column; `query` adds what is pending for it on this node.
   *
   * @example
   * await zm.query(map('feed_meta', 'extra').get().where('id = ?', feedId));
   */
  get(): MapBuilder<ReadTask> {
    return this.#operate<ReadTask>('get', undefined);
  }

  /**
   * Reads the value of one key, under the column's name; NULL where the key is absent.
   *
   * @example
   * await zm.query(map('feed_meta', 'extra').getKey('key').where('id = ?', feedId));
   */
  getKey(key: string): MapBuilder<ReadTask> {
    const checked = this.#checkKey(key, 'getKey');
    return this.#operate<ReadTask>('getKey', undefined, 'getKey', checked);
  }

  /** @internal */
  draft(): Built {
    const step = this.operation();
    const where = this.rows();
    const { table, column } = this.target;
    const { key: batchKey } = this;
    const { op, key } = step;
    const text = this.text(step, where);
    const values = this.values(step, where);
    const orInsert = this.row?.record;
    const operand = step.operand as string | undefined;
    const task: MapTask | ReadTask =
      op === 'get' || op === 'getKey'
        ? { kind: 'map', op, key, table, column, where, batchKey, orInsert, text, values }
        : { kind: 'map', op, key, operand, table, column, where, batchKey, orInsert, text, values };
    return task as Built;
  }

  protected get kind(): 'map' {
    return 'map';
  }

  protected with(
    step: Step<MapOp> | undefined,
    condition: Where | undefined,
    key: string | undefined,
    row: InsertRow | undefined,
  ): this {
    return new MapBuilder<Built>(this.target, step, condition, key, row) as this;
  }

  #checkKey(key: string, op: string): string {
    if (typeof key !== 'string') {
      throw new InvalidValueError(`the key of ${op}${this.target.suffix} is ${kindOf(key)}, not a string`);
    }
    const fault = textFault(key);
    if (fault !== undefined)
      throw new InvalidValueError(`the key of ${op}${this.target.suffix}: jsonb cannot hold ${fault}`);
    return key;
  }

  #operate<Next extends MapTask | ReadTask = MapTask>(
    op: MapOp,
    operand: Operand | undefined,
    form: string = op,
    key: string | undefined = undefined,
  ): MapBuilder<Next> {
    const step = this.only(op, operand, form, key);
    return new MapBuilder<Next>(this.target, step, this.condition, this.key, this.row);
  }
}

const builders = new TargetCache((target) => new MapBuilder(target));

/**
 * Operations on a `jsonb` column that holds an object. `table` is `name` or `schema.name`; names are
 * validated (`InvalidTaskError`) and quoted, so their case counts.
 *
 * @example
 * map('feed_meta', 'extra').set('key', 'val').where('id = ?', feedId).batchKey(`meta:${feedId}`)
 */
export function map(table: string, column: string): MapBuilder {
  return builders.get(table, column);
}
