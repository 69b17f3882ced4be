import type { Result } from './session.js';
import type { FlushStatement, Written } from './statement.js';

/** Operations whose condition matched no row. For a statement of the caller's, `where` is its text. */
export interface Unmatched {
  readonly table: string;
  readonly column: string;
  readonly where: string;
  readonly operations: number;
}

/** The groups that matched no row. */
export function unmatchedGroups({ unmatched, groups }: FlushStatement, result: Result): Written[] {
  const { command, rowCount, rows } = result;
  if (unmatched === 'rows') return rows.map(({ i }) => groups[Number(i) - 1] as Written);
  const isNone = unmatched === 'count' && rowCount === 0 && (command === 'UPDATE' || command === 'DELETE');
  return isNone ? [groups[0] as Written] : [];
}

/** Counts the operations that matched nothing, per table, column and condition. */
export class UnmatchedTally {
  readonly #counts = new Map<string, Unmatched>();

  add(groups: readonly Written[]): void {
    for (const group of groups) this.#count(group);
  }

  get list(): Unmatched[] {
    return [...this.#counts.values()];
  }

  #count(group: Written): void {
    if (group.kind === 'put') return;
    const { table, column, whereText } =
      group.kind === 'content' ? { table: '', column: '', whereText: group.text } : group.shape;
    const name = `${table}\0${column}\0${whereText}`;
    const operations = (this.#counts.get(name)?.operations ?? 0) + group.operations;
    this.#counts.set(name, { table, column, where: whereText, operations });
  }
}
