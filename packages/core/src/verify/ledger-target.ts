import { InvalidTaskError } from '@zmsg/workers';
import {
  addDecimals,
  type Columns,
  canonicalKey,
  type Decimal,
  type KeyType,
  type Shape,
  type ShapeColumns,
  ZERO,
} from '@zmsg/workers/log';
import { quoteIdentifier, quoteTable } from '../sql/identifier.js';
import type { PendingChanges } from './pending-changes.js';

/** What the ledger counts: names as they stand there. */
export interface TargetNames {
  readonly table: string;
  readonly column: string;
  readonly keyColumn: string;
}

/** What is pending for one row. */
export interface RowChange {
  early: Decimal;
  all: Decimal;
  dead: Decimal;
  /** Something else than additions is pending. */
  isUncertain: boolean;
}

const NUMBERS = new Set(['int2', 'int4', 'int8', 'numeric', 'float4', 'float8']);

/** A column that the ledger counts, as the catalog knows it. */
export class LedgerTarget {
  /** SQL, quoted. */
  readonly table: string;
  readonly column: string;
  readonly keyColumn: string;
  readonly keyType: KeyType;
  /** By key, as `keyOf` writes it. */
  readonly rows = new Map<string, RowChange>();
  /** Something is pending that may change any row of it. */
  readonly isUncertain: boolean;

  /** @throws InvalidTaskError saying what of the names is none, or of a type that cannot be compared */
  static async describe(
    names: TargetNames,
    changes: PendingChanges,
    columns: Columns,
    describe: (shapes: readonly Shape[]) => Promise<void>,
  ): Promise<LedgerTarget> {
    quoteTable(names.table);
    quoteIdentifier(names.column);
    const key = quoteIdentifier(names.keyColumn, 'key column');
    const shape = changes.interner.intern({
      kind: 'counter',
      table: names.table,
      column: names.column,
      whereText: `${key} = ?`,
      whereParts: [`${key} = `, ''],
      insertColumns: undefined,
    });
    await describe([shape]);
    return new LedgerTarget(names, columns.of(shape), changes, columns);
  }

  private constructor(names: TargetNames, own: ShapeColumns, changes: PendingChanges, columns: Columns) {
    const { table, column, keyColumn } = names;
    if (!own.isDescribed) throw new InvalidTaskError(`there is no column ${table}.${column}`);
    if (!NUMBERS.has(own.typeName ?? '')) {
      throw new InvalidTaskError(`${table}.${column} is of type ${own.type}, which is no number`);
    }
    const keyType = own.namedKeys?.[0]?.type;
    if (keyType === undefined) {
      throw new InvalidTaskError(
        `${table}.${keyColumn} is no column of type smallint, integer, bigint, text, varchar, uuid or boolean`,
      );
    }
    this.table = quoteTable(table);
    this.column = quoteIdentifier(column);
    this.keyColumn = quoteIdentifier(keyColumn);
    this.keyType = keyType;
    const bare = table.slice(table.lastIndexOf('.') + 1).toLowerCase();
    let isUncertain = [...changes.statements].some((text) => text.includes(bare));
    for (const shape of changes.shapes) {
      const other = columns.of(shape);
      if (!mayTouch(shape, other, names, own)) continue;
      for (const change of changes.of(shape)) {
        const isPlain = change.isPlain && shape.column === column;
        const isOne = other.namedKeys?.length === 1 && other.namedKeys[0]?.name === keyColumn;
        const key = isOne ? this.keyOf(change.whereValues[0]) : undefined;
        if (key !== undefined) this.#add(key, change, isPlain);
        else isUncertain = true;
      }
    }
    this.isUncertain = isUncertain;
  }

  /** The one text of a key; undefined if the key column has no such value. */
  keyOf(value: unknown): string | undefined {
    return canonicalKey(this.keyType, value);
  }

  #add(key: string, { early, all, dead }: Omit<RowChange, 'isUncertain'>, isPlain: boolean): void {
    let row = this.rows.get(key);
    if (row === undefined) {
      row = { early: ZERO, all: ZERO, dead: ZERO, isUncertain: false };
      this.rows.set(key, row);
    }
    if (!isPlain) row.isUncertain = true;
    else {
      row.early = addDecimals(row.early, early);
      row.all = addDecimals(row.all, all);
      row.dead = addDecimals(row.dead, dead);
    }
  }
}

/** Whether operations of this shape may change what the ledger counts. */
function mayTouch(shape: Shape, other: ShapeColumns, names: TargetNames, own: ShapeColumns): boolean {
  // What names no table or column that exists changes nothing.
  if (!other.isDescribed) return false;
  // Of a view it is not known which rows it shows.
  if (other.relation !== undefined && own.relation !== undefined && other.relation !== own.relation)
    return false;
  const { column, insertColumns } = shape;
  return (
    column === names.column || column === names.keyColumn || insertColumns?.includes(names.column) === true
  );
}
