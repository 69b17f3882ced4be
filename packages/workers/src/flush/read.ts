import { isSameTarget, relationOf } from '../aggregate/conflict.js';
import { batchName, type Generation } from '../aggregate/generation.js';
import { type AggregatedGroup, type Target, targetOf } from '../aggregate/group.js';
import type { OperationValues, Shape } from '../operation.js';
import { assignmentOf } from './assignment.js';
import type { Columns, ShapeColumns } from './columns.js';
import { quoteIdentifier, quoteTable } from './identifier.js';
import { conditionText } from './separate-units.js';
import type { Session } from './session.js';

/** A read of an aggregated column, as it comes out of a ring. Its shape must be known to `Columns`. */
export interface ReadRequest {
  readonly shape: Shape;
  readonly op: 'get' | 'getKey';
  /** For `getKey`. */
  readonly key: string | undefined;
  /** Encoded as for operations. */
  readonly rawKey: string;
  values(): OperationValues;
}

/**
 * `flushFirst`: what is pending cannot be told from the stored rows; flush, then read again.
 *
 * `found` is undefined when no row matches. Its value: integers as `number`, or `bigint` where that would not
 * be exact; `numeric` as text; floats as `number`; JSONB parsed (numbers beyond a double lose digits; `getKey` gives
 * undefined for a key that is not there); SQL NULL with nothing pending as null. Of several rows, any one.
 */
export type ReadResult =
  | { readonly flushFirst: true }
  | { readonly flushFirst: false; readonly found: { readonly value: unknown } | undefined };

/** Pending groups for one target in their order, and whether one of them may insert the row. */
interface Pending {
  readonly groups: readonly AggregatedGroup[];
  readonly mayInsert: boolean;
}

/** `generations`: what is pending, oldest first. */
export async function readPending(
  request: ReadRequest,
  columns: Columns,
  generations: readonly Generation[],
  session: Session,
): Promise<ReadResult> {
  const { shape, rawKey } = request;
  const { batchKey, whereValues } = request.values();
  const shapeColumns = columns.of(shape);
  // A read inserts nothing, whatever its task says.
  const readShape: Shape = shape.insertColumns === undefined ? shape : { ...shape, insertColumns: undefined };
  const target = targetOf(readShape, shapeColumns, rawKey, whereValues, undefined);
  const pending = pendingFor(target, batchName(batchKey, target), generations);
  if (pending === undefined) return { flushFirst: true };

  const { text, values } = selectOf(request, target, pending.groups);
  const { rows } = await session.query(text, values);
  const row = rows[0];
  if (row === undefined) {
    return pending.mayInsert ? { flushFirst: true } : { flushFirst: false, found: undefined };
  }
  return { flushFirst: false, found: { value: decode(request, shapeColumns, row.v as string | null) } };
}

/** Undefined if something pending conflicts with the read. */
function pendingFor(target: Target, batch: string, generations: readonly Generation[]): Pending | undefined {
  const groups: AggregatedGroup[] = [];
  let mayInsert = false;
  for (const generation of generations) {
    const pending = generation.batch(batch);
    if (pending === undefined) continue;
    if (pending.isSealed) return undefined;
    for (const group of pending.groups) {
      if (group.kind === 'content') return undefined;
      if (target.columns.isSteady && group.columns.isSteady && isSameTarget(group, target)) {
        groups.push(group);
        if (group.shape.insertColumns !== undefined) mayInsert = true;
        continue;
      }
      const relation = relationOf(group, target);
      if (relation === 'conflict') return undefined;
      if (relation === 'after') mayInsert = true;
    }
  }
  return { groups, mayInsert };
}

/** The column, then each group's assignment to it, each in a query around the one before. */
function selectOf(
  { op, key }: ReadRequest,
  target: Target,
  groups: readonly AggregatedGroup[],
): { text: string; values: unknown[] } {
  const { shape, columns, whereValues } = target;
  const values: unknown[] = [...whereValues];
  const parameter = (value: unknown, type: string) => `$${values.push(value)}::${type}`;
  let text =
    `SELECT ${quoteIdentifier(shape.column)} AS v FROM ${quoteTable(shape.table)} ` +
    `WHERE ${conditionText(target, 1)} LIMIT 1`;
  for (const group of groups) {
    const { parameters, parameterType, expression } = assignmentOf(group);
    const assigned = expression('s.v', (n) => parameter(parameters[n], parameterType));
    const stored = columns.type === undefined ? assigned : `(${assigned})::${columns.type}`;
    // OFFSET 0 keeps the planner from writing the inner expression out wherever the outer one uses it.
    text = `SELECT ${stored} AS v FROM (${text}) AS s OFFSET 0`;
  }
  const read = op === 'getKey' ? `s.v -> ${parameter(key, 'text')}` : 's.v';
  return { text: `SELECT (${read})::text AS v FROM (${text}) AS s`, values };
}

function decode({ op }: ReadRequest, { typeName }: ShapeColumns, text: string | null): unknown {
  if (text === null) return op === 'getKey' ? undefined : null;
  switch (typeName) {
    case 'int2':
    case 'int4':
    case 'int8': {
      const number = Number(text);
      return Number.isSafeInteger(number) ? number : BigInt(text);
    }
    case 'float4':
    case 'float8':
      return Number(text);
    case 'json':
    case 'jsonb':
      return JSON.parse(text);
    default:
      return text;
  }
}
