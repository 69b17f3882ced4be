import type { Group, Target } from './group.js';

/**
 * How a later group stands to an earlier one of its batch key.
 *
 * - none: they may run in any order.
 * - after: the later one runs after it, but operations may still join the earlier one.
 * - conflict: it runs after it, and nothing joins the earlier one any more.
 */
export type Relation = 'none' | 'after' | 'conflict';

/** Whether two groups are the same but for the order of their operations: one could join the other. */
export function isSameTarget(a: Target, b: Target): boolean {
  if (a.reach !== b.reach || a.shape.kind !== b.shape.kind || a.shape.column !== b.shape.column) return false;
  if (a.reach === 'row') return isSameRow(a, b);
  return a.rawKey === b.rawKey && a.shape.table === b.shape.table && a.shape.whereText === b.shape.whereText;
}

function isSameRow(a: Target, b: Target): boolean {
  return (
    a.columns.relation === b.columns.relation &&
    a.columns.signature === b.columns.signature &&
    a.rowKey === b.rowKey
  );
}

/**
 * A condition of reach `row` or `table` reads nothing but the rows of its own table, and `row` none of
 * the columns that its own kind of condition lets groups change (see `isSteady`).
 */
export function relationOf(earlier: Group, later: Target): Relation {
  if (earlier.kind === 'content' || earlier.reach === 'all' || later.reach === 'all') return 'conflict';
  const bothInsert = earlier.shape.insertColumns !== undefined && later.shape.insertColumns !== undefined;
  // A row that refers to another one can only be inserted after it.
  if (earlier.columns.relation !== later.columns.relation) return bothInsert ? 'after' : 'none';
  if (earlier.reach !== 'row' || later.reach !== 'row') return 'conflict';
  if (earlier.columns.signature !== later.columns.signature) return 'conflict';
  if (earlier.rowKey !== later.rowKey) return 'none';
  if (earlier.shape.column === later.shape.column) return 'conflict';
  // Once the earlier one has seen to it that the row is there, the order does not matter any more.
  if (earlier.shape.insertColumns !== undefined) return 'after';
  // Before the later one inserts the row, the earlier one may have matched nothing.
  return later.shape.insertColumns === undefined ? 'none' : 'conflict';
}
