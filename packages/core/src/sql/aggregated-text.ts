import { assignments } from './assignment.js';
import { quoteIdentifier } from './identifier.js';
import { joinParts } from './parsed-text.js';
import type { Target } from './target.js';

export type Kind = 'counter' | 'slice' | 'map';

/** All that the text of an aggregated task depends on. */
export interface AggregatedForm {
  readonly kind: Kind;
  /** Key of `assignments[kind]`, or a read. */
  readonly form: string;
  /** Parameters of the operation itself; those of the condition follow. */
  readonly operands: number;
  readonly whereParts: readonly string[];
  /** Columns of the row to insert; their parameters come last. */
  readonly insertColumns: readonly string[] | undefined;
}

const startTypes = { counter: 'numeric', slice: 'jsonb', map: 'jsonb' };
const zeros = { counter: '0', slice: `'[]'::jsonb`, map: `'{}'::jsonb` };

/** The statement that runs a task on its own. */
export function aggregatedText(target: Target, task: AggregatedForm): string {
  const { quotedTable, quotedColumn } = target;
  const condition = joinParts(task.whereParts, task.operands + 1);
  if (task.form === 'get') {
    return `SELECT ${quotedColumn} AS ${quotedColumn} FROM ${quotedTable} WHERE (${condition})`;
  }
  if (task.form === 'getKey') {
    return `SELECT ${quotedColumn} -> $1::text AS ${quotedColumn} FROM ${quotedTable} WHERE (${condition})`;
  }
  const forms: Record<string, (base: string) => string> = assignments[task.kind];
  const assign = forms[task.form];
  if (assign === undefined) throw new Error(`no ${task.kind} operation ${task.form}`);
  const update = `SET ${quotedColumn} = ${assign(quotedColumn)}`;
  if (task.insertColumns === undefined) return `UPDATE ${quotedTable} ${update} WHERE (${condition})`;

  const firstInsert = task.operands + task.whereParts.length;
  const columns: string[] = [];
  const values: string[] = [];
  let start = zeros[task.kind];
  // In the source, so that it has a type also where `set` and `clean` do not look at it.
  let source = 'SELECT';
  task.insertColumns.forEach((column, i) => {
    const value = `$${firstInsert + i}`;
    if (column === target.column) {
      source = `SELECT ${value}::${startTypes[task.kind]} AS zmsg_start`;
      start = 'zmsg_source.zmsg_start';
    } else {
      columns.push(quoteIdentifier(column));
      values.push(value);
    }
  });
  columns.push(quotedColumn);
  values.push(assign(start));
  // MERGE and not INSERT … ON CONFLICT, which needs the columns of a unique index, nor two CTEs with
  // ON CONFLICT DO NOTHING: of two sessions that insert the row at the same time, one would then
  // have done nothing, and report it like a condition that matched nothing. Here it fails (23505).
  return (
    `MERGE INTO ${quotedTable} USING (${source}) AS zmsg_source ON (${condition}) ` +
    `WHEN MATCHED THEN UPDATE ${update} ` +
    `WHEN NOT MATCHED THEN INSERT (${columns.join(', ')}) VALUES (${values.join(', ')})`
  );
}
