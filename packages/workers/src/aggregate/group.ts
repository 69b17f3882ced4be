import type { ShapeColumns } from '../flush/columns.js';
import { CounterFold } from '../fold/counter.js';
import { MapFold } from '../fold/map.js';
import { SliceFold } from '../fold/slice.js';
import type { AggregatedOperation, Shape } from '../operation.js';
import { canonicalKey } from './row-key.js';

/**
 * What a group may have to do with others of its batch key.
 *
 * - row: one row (or none, or several) told apart by its key from the rows of other keys.
 * - table: any row of its table.
 * - all: anything.
 */
export type Reach = 'row' | 'table' | 'all';

/** What a group acts on, as far as it decides about conflicts. A read has one too. */
export interface Target {
  readonly shape: Shape;
  readonly columns: ShapeColumns;
  readonly rawKey: string;
  readonly whereValues: readonly unknown[];
  /** Canonical texts of the key columns, for reach `row`. */
  readonly keyTexts: readonly string[] | undefined;
  readonly rowKey: string | undefined;
  readonly reach: Reach;
}

/** Operations on one row (or on what one condition with one set of values matches), folded. */
export interface AggregatedGroup extends Target {
  readonly kind: 'aggregated';
  /** Replaced when a table that was missing has been created. */
  columns: ShapeColumns;
  readonly insertValues: readonly unknown[] | undefined;
  readonly fold: CounterFold | SliceFold | MapFold;
  /** Groups of a lower level are written first. */
  readonly level: number;
  operations: number;
  /** False as soon as a later group conflicts with it: what comes then starts a group behind. */
  isOpen: boolean;
}

export interface ContentGroup {
  readonly kind: 'content';
  readonly text: string;
  values: readonly unknown[];
  readonly level: number;
  operations: number;
}

export type Group = AggregatedGroup | ContentGroup;

/** What a new operation, or a read, acts on. `insertValues`: of its `orInsert`. */
export function targetOf(
  shape: Shape,
  columns: ShapeColumns,
  rawKey: string,
  whereValues: readonly unknown[],
  insertValues: readonly unknown[] | undefined,
): Target {
  const { keys } = columns;
  const texts = keys?.map(({ type }, i) => canonicalKey(type, whereValues[i]));
  const isRow = texts !== undefined && !texts.includes(undefined) && columns.relation !== undefined;
  const keyTexts = isRow ? (texts as string[]) : undefined;
  const isApart = keyTexts !== undefined && insertMatches(shape, columns, keyTexts, insertValues);
  return {
    shape,
    columns,
    rawKey,
    whereValues,
    keyTexts: isApart ? keyTexts : undefined,
    rowKey: isApart ? rowKeyOf(columns, keyTexts) : undefined,
    reach: isApart ? 'row' : reachOf(columns),
  };
}

/** Whether the row that `orInsert` would insert is the one of these keys, and in no other's way. */
export function insertMatches(
  { insertColumns }: Shape,
  { keys = [], insertsApart }: ShapeColumns,
  keyTexts: readonly string[],
  insertValues: readonly unknown[] | undefined,
): boolean {
  if (insertColumns === undefined) return true;
  return (
    insertsApart &&
    keys.every(({ name, type }, i) => {
      const value = insertValues?.[insertColumns.indexOf(name)];
      return canonicalKey(type, value) === keyTexts[i];
    })
  );
}

function reachOf({ condition, relation }: ShapeColumns): Reach {
  return condition === 'opaque' || relation === undefined ? 'all' : 'table';
}

/** One text per row, whatever the order of the keys in the condition. */
function rowKeyOf({ keys = [] }: ShapeColumns, texts: readonly string[]): string {
  if (texts.length === 1) return texts[0] as string;
  const named = keys.map(({ name }, i) => ({ name, text: texts[i] as string }));
  named.sort((a, b) => (a.name < b.name ? -1 : 1));
  return named.map(({ text }) => text).join('\0');
}

export function startGroup(
  target: Target,
  insertValues: readonly unknown[] | undefined,
  level: number,
): AggregatedGroup {
  const { shape, columns, reach } = target;
  return {
    kind: 'aggregated',
    ...target,
    insertValues,
    fold: startFold(shape.kind, columns),
    level,
    operations: 0,
    // Folding several operations is right only if the first cannot change what the others match, and
    // if no more than the first would insert.
    isOpen: columns.isSteady && (shape.insertColumns === undefined || reach === 'row'),
  };
}

function startFold(kind: Shape['kind'], columns: ShapeColumns): AggregatedGroup['fold'] {
  if (kind === 'counter') return new CounterFold(columns.scale);
  return kind === 'slice' ? new SliceFold() : new MapFold();
}

/** Folds the operation in. False if the group is full. */
export function foldInto(group: AggregatedGroup, op: AggregatedOperation): boolean {
  if (!group.fold.add(op)) return false;
  group.operations += 1;
  return true;
}
