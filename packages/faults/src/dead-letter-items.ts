import { UNIQUE_ITEM } from './mix.js';
import { Tally } from './tally.js';

/** A row of `zmsg_dead_letters`. */
export interface LetterRow {
  kind: string;
  table_name: string | null;
  column_name: string | null;
  task: { where?: { values: readonly unknown[] }; change?: string };
}

/** Columns of counters, by the letter of their items; rows of `fault_upserts` are named by theirs. */
const LETTERS = new Map([
  ['fault_rows.likes', 'c'],
  ['fault_rows.views', 'v'],
  ['fault_upserts.n', ''],
  ['fault_poison.n', 'x'],
  ['fault_poison.small', 'z'],
]);

/** What the letter holds back: the increments of a counter in one sum, or elements by their names. */
export function itemsOf({ kind, table_name, column_name, task }: LetterRow): Tally {
  const items = new Tally();
  if (kind !== 'counter') {
    for (const item of new Set(JSON.stringify(task).match(UNIQUE_ITEM))) items.add(item);
    return items;
  }
  const letter = LETTERS.get(`${table_name}.${column_name}`);
  const sum = /^\+ (\d+)$/.exec(task.change ?? '')?.[1];
  if (letter === undefined || sum === undefined) {
    throw new Error(`no workload wrote the dead letter ${table_name}.${column_name} ${task.change}`);
  }
  items.add(`${letter}${task.where?.values[0]}`, Number(sum));
  return items;
}
