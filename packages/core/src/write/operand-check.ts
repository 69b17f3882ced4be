import { InvalidValueError, type Task } from '@zmsg/workers';
import { quoteTable } from '../sql/index.js';
import type { Session } from '../store/store.js';

const IS_INTEGER = `
  SELECT format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) AS type
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped`;

const INTEGER_TYPES = new Set(['smallint', 'integer', 'bigint']);

/** Column types that were looked up, at most; beyond it the oldest are asked for again. */
const MAX_COLUMNS = 10_000;

/**
 * Refuses fractions for integer columns: PostgreSQL would round each of them without a word. A
 * fractional factor is fine, it has a defined rounding. Only fractions cost a look-up, once a column.
 */
export class OperandCheck {
  readonly #store: Session;
  readonly #types = new Map<string, Promise<string | undefined>>();

  constructor(store: Session) {
    this.#store = store;
  }

  /**
   * Undefined: nothing to check.
   *
   * @throws (rejects) InvalidValueError naming table, column and operand
   */
  check(task: Task): Promise<void> | undefined {
    if (task.kind !== 'counter' || task.op === 'mul' || typeof task.operand !== 'string') return undefined;
    if (!task.operand.includes('.')) return undefined;
    return this.#type(task.table, task.column).then((type) => {
      if (type === undefined || !INTEGER_TYPES.has(type)) return;
      const column = `${task.table}.${task.column}`;
      throw new InvalidValueError(`${task.op}(${task.operand}): ${column} is ${type} and takes no fractions`);
    });
  }

  #type(table: string, column: string): Promise<string | undefined> {
    const name = `${table}\0${column}`;
    const known = this.#types.get(name);
    if (known !== undefined) return known;
    const type = this.#store
      .exec<{ type: string }>(IS_INTEGER, [quoteTable(table), column])
      .then(({ rows }) => rows[0]?.type);
    if (this.#types.size >= MAX_COLUMNS) this.#types.delete(this.#types.keys().next().value as string);
    this.#types.set(name, type);
    const forget = () => this.#types.delete(name);
    // A failed look-up is no answer, and a table that is missing today may be there tomorrow.
    type.then((found) => found ?? forget(), forget);
    return type;
  }
}
