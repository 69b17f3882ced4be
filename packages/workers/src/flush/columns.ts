import { type Condition, parseCondition } from '../aggregate/condition.js';
import type { KeyColumn, KeyType } from '../aggregate/row-key.js';
import type { ColumnScale } from '../fold/counter.js';
import type { Shape } from '../operation.js';
import { type ColumnDescription, describeTables, type TableDescription } from './catalog.js';
import { failureOf } from './failure.js';
import { type Session, toStoreError } from './session.js';

/** What the catalog says about a shape. */
export interface ShapeColumns {
  /** Table and column exist. If not, every operation is a statement of its own, and PostgreSQL has its say. */
  readonly isDescribed: boolean;
  /** Which rows the table's name stands for; undefined: may be those of any other name. */
  readonly relation: string | undefined;
  /** The aggregated column's type, as SQL. Undefined: not described. */
  readonly type: string | undefined;
  /** The aggregated column's type as pg_type names it. */
  readonly typeName: string | undefined;
  readonly scale: ColumnScale;
  readonly condition: Condition['reads'];
  /** For a condition on keys of canonical types: those keys, in the order of its values. */
  readonly namedKeys: readonly KeyColumn[] | undefined;
  /** The same, if they tell apart the rows that operations change: none of them changes a key. */
  readonly keys: readonly KeyColumn[] | undefined;
  /** Names of the key columns in one order: equal for two conditions on the same columns. */
  readonly signature: string;
  /** Whether running the operation cannot change which rows the condition matches. */
  readonly isSteady: boolean;
  /** Whether two rows of `orInsert` with different keys can never be in each other's way. */
  readonly insertsApart: boolean;
  /** Types of the columns of `orInsert`, as SQL for a cast that keeps the value; undefined: unknown. */
  readonly insertTypes: readonly (string | undefined)[];
}

const UNDESCRIBED: ShapeColumns = {
  isDescribed: false,
  relation: undefined,
  type: undefined,
  typeName: undefined,
  scale: undefined,
  condition: 'opaque',
  namedKeys: undefined,
  keys: undefined,
  signature: '',
  isSteady: false,
  insertsApart: false,
  insertTypes: [],
};

/** `bpchar` (padding) and `name` (cut off) are left out on purpose. */
const KEY_TYPES: Readonly<Record<string, KeyType>> = {
  int2: 'int2',
  int4: 'int4',
  int8: 'int8',
  text: 'text',
  varchar: 'text',
  uuid: 'uuid',
  bool: 'bool',
};

const DECIMALS: Readonly<Record<string, number>> = { int2: 0, int4: 0, int8: 0 };

/** Types of the columns that shapes name, read from the catalog once and kept until forgotten. */
export class Columns {
  readonly #shapes = new Map<Shape, ShapeColumns>();
  readonly #tables = new Map<string, TableDescription>();
  readonly #undescribed = new Set<Shape>();

  isKnown(shape: Shape): boolean {
    return this.#shapes.has(shape);
  }

  /** Makes the shapes known; three queries for all of them. Throws `StoreError`; then nothing changed. */
  async describe(shapes: readonly Shape[], session: Session): Promise<void> {
    const unknown = shapes.filter((shape) => !this.#shapes.has(shape));
    const names = [...new Set(unknown.map(({ table }) => table))].filter((name) => !this.#tables.has(name));
    try {
      await this.#readTables(names, session);
    } catch (error) {
      throw toStoreError(error);
    }
    for (const shape of unknown) {
      const columns = describeShape(shape, this.#tables.get(shape.table));
      this.#shapes.set(shape, columns);
      if (!columns.isDescribed) this.#undescribed.add(shape);
    }
  }

  async #readTables(names: readonly string[], session: Session): Promise<void> {
    if (names.length === 0) return;
    try {
      for (const [name, table] of await describeTables(names, session)) this.#tables.set(name, table);
    } catch (error) {
      if (failureOf(error) !== 'refused') throw error;
      // A name that the database has no characters for is that of no table.
      if (names.length > 1) for (const name of names) await this.#readTables([name], session);
    }
  }

  /** Throws if the shape was not described before. */
  of(shape: Shape): ShapeColumns {
    const columns = this.#shapes.get(shape);
    if (columns === undefined)
      throw new Error(`columns of ${shape.table}.${shape.column} were not described`);
    return columns;
  }

  /** The shape and its table have to be described anew: they may have been altered. */
  forget(shape: Shape): void {
    this.#shapes.delete(shape);
    this.#undescribed.delete(shape);
    this.#tables.delete(shape.table);
  }

  /** Describes shapes anew. Throws `StoreError`. */
  async describeAnew(shapes: readonly Shape[], session: Session): Promise<void> {
    for (const shape of shapes) this.forget(shape);
    await this.describe(shapes, session);
  }

  /** Forgets the shapes whose table or column did not exist: they may have been created since. */
  forgetUndescribed(): void {
    for (const shape of this.#undescribed) this.forget(shape);
  }
}

function describeShape(shape: Shape, table: TableDescription | undefined): ShapeColumns {
  const column = table?.columns.get(shape.column);
  if (table === undefined || column === undefined) return UNDESCRIBED;
  const condition = parseCondition(shape.whereParts, shape.table, new Set(table.columns.keys()));
  const read = condition.reads === 'opaque' ? [] : [...condition.columns];
  // A generated column may follow the aggregated one, and so may any column of a view.
  const isSteady =
    table.relation !== undefined &&
    condition.reads !== 'opaque' &&
    read.every((name) => name !== shape.column && table.columns.get(name)?.isGenerated === false);
  const namedKeys = condition.reads === 'keys' ? keysOf(condition.columns, table) : undefined;
  return {
    isDescribed: true,
    relation: table.relation,
    type: column.declaredType,
    typeName: column.isBuiltin ? column.type : undefined,
    scale: scaleOf(column),
    condition: condition.reads,
    namedKeys,
    keys: isSteady ? namedKeys : undefined,
    signature: JSON.stringify(read.sort()),
    isSteady,
    insertsApart: condition.reads === 'keys' && insertsApart(shape, condition.columns, table),
    insertTypes: (shape.insertColumns ?? []).map((name) => table.columns.get(name)?.plainType),
  };
}

function keysOf(names: readonly string[], table: TableDescription): readonly KeyColumn[] | undefined {
  const keys: KeyColumn[] = [];
  for (const name of names) {
    const column = table.columns.get(name);
    const type = column?.isBuiltin === true ? KEY_TYPES[column.type] : undefined;
    if (type === undefined || column?.isDeterministic !== true) return undefined;
    keys.push({ name, type });
  }
  return keys;
}

function scaleOf({ type, modifier, isBuiltin }: ColumnDescription): ColumnScale {
  if (!isBuiltin) return undefined;
  if (type !== 'numeric') return DECIMALS[type];
  if (modifier === -1) return Number.POSITIVE_INFINITY;
  // ((precision << 16) | (scale & 0x7ff)) + 4; the scale has a sign.
  return (((modifier - 4) & 0x7ff) ^ 0x400) - 0x400;
}

/**
 * A unique index refuses a row for the sake of another one. It does no harm if it covers all keys (then
 * the other row is one that the condition matches, and nothing is inserted), or no column that is given.
 */
function insertsApart(shape: Shape, keys: readonly string[], table: TableDescription): boolean {
  if (shape.insertColumns === undefined) return true;
  const given = [...shape.insertColumns, shape.column];
  if (!given.every((name) => table.columns.has(name))) return false;
  return table.uniques.every((unique) => {
    if (unique === undefined) return false;
    return keys.every((key) => unique.has(key)) || !given.some((name) => unique.has(name));
  });
}
