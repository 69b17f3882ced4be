import { type DeadLetterTask, untagValue } from '@zmsg/workers';
import { type Decimal, negateDecimal, parseDecimal, type Shape } from '@zmsg/workers/log';
import { quoteIdentifier, quoteTable } from '../sql/identifier.js';
import type { Session } from '../store/store.js';
import type { PendingChanges } from './pending-changes.js';

const PAGE_ROWS = 1000;
const MAX_TASK_CHARS = 65_536;
/** Of a longer value a dead letter keeps only the begin. */
const MAX_KEY_CHARS = 1000;

// As text: PostgreSQL's own functions on json stop at \u0000.
const PAGE = `
SELECT id::text AS id, table_name, column_name,
       CASE WHEN length(task::text) <= ${MAX_TASK_CHARS} THEN task::text END AS task
  FROM zmsg_dead_letters WHERE kind = 'counter' AND id > $1::bigint ORDER BY id LIMIT ${PAGE_ROWS}`;

const ADDITION = /^(\+|-|inc|dec) (-?\d+(?:\.\d+)?)$/;

interface Row {
  id: string;
  table_name: string | null;
  column_name: string | null;
  task: string | null;
}

/** Adds what the counters' dead letters would have added. */
export async function addDeadLetters(session: Session, changes: PendingChanges): Promise<void> {
  let after = '0';
  for (;;) {
    const { rows } = await session.exec<Row>(PAGE, [after]);
    for (const row of rows) addDeadLetter(row, changes);
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS) return;
    after = last.id;
  }
}

function addDeadLetter(
  { table_name: table, column_name: column, task: text }: Row,
  to: PendingChanges,
): void {
  if (table === null || column === null || !isName(table, column)) return;
  const task = text === null ? undefined : (JSON.parse(text) as Partial<DeadLetterTask>);
  const values = task?.where?.values.map(untagValue) ?? [];
  const whereText = task?.where?.text ?? '';
  const parts = whereText.split('?');
  const isWhole =
    parts.length === values.length + 1 &&
    values.every((value) => typeof value !== 'string' || value.length < MAX_KEY_CHARS);
  const shape: Shape = {
    kind: 'counter',
    table,
    column,
    whereText,
    // What cannot be followed may be about any row.
    whereParts: isWhole ? parts : [''],
    insertColumns: undefined,
  };
  to.addDeadLetter(shape, isWhole ? values : [], isWhole ? deltaOf(task?.change) : undefined);
}

function deltaOf(change: string | undefined): Decimal | undefined {
  const [, op, amount] = ADDITION.exec(change ?? '') ?? [];
  if (amount === undefined) return undefined;
  return op === '-' || op === 'dec' ? negateDecimal(parseDecimal(amount)) : parseDecimal(amount);
}

/** Someone else may have written the row. */
function isName(table: string, column: string): boolean {
  try {
    return quoteTable(table) !== '' && quoteIdentifier(column) !== '';
  } catch {
    return false;
  }
}
