import type { Group } from '../aggregate/group.js';
import type { Result } from './session.js';
import type { FlushStatement } from './statement.js';

/** Operations whose condition matched no row. For a statement of the caller's, `where` is its text. */
export interface Unmatched {
  readonly table: string;
  readonly column: string;
  readonly where: string;
  readonly operations: number;
}

/** Counts the operations that matched nothing, per table, column and condition. */
export class UnmatchedTally {
  readonly #counts = new Map<string, Unmatched>();

  add({ unmatched, groups }: FlushStatement, { command, rowCount, rows }: Result): void {
    if (unmatched === 'rows') {
      for (const { i } of rows) this.#count(groups[Number(i) - 1]);
    } else if (unmatched === 'count' && rowCount === 0 && (command === 'UPDATE' || command === 'DELETE')) {
      this.#count(groups[0]);
    }
  }

  get list(): Unmatched[] {
    return [...this.#counts.values()];
  }

  #count(group: Group | undefined): void {
    if (group === undefined) return;
    const { table, column, whereText } =
      group.kind === 'content' ? { table: '', column: '', whereText: group.text } : group.shape;
    const name = `${table}\0${column}\0${whereText}`;
    const operations = (this.#counts.get(name)?.operations ?? 0) + group.operations;
    this.#counts.set(name, { table, column, where: whereText, operations });
  }
}
