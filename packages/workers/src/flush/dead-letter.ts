import type { RefusedOperation } from '../aggregate/generation.js';
import { type DeadLetterTask, taskOfGroup, taskOfOperation } from './dead-letter-task.js';
import { sqlStateOf } from './failure.js';
import type { Condemned } from './isolation.js';

/** A task that is left out of a flush, to be kept in `zmsg_dead_letters`. */
export interface DeadLetter {
  readonly kind: DeadLetterTask['kind'];
  /** Undefined for a statement of the caller's. */
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly operations: number;
  readonly error: Error;
  /** Undefined: the fold refused it. */
  readonly sqlState: string | undefined;
  /** Built when asked for: it may be large. */
  task(): DeadLetterTask;
}

/** Tasks of one column that were refused with one SQLSTATE. */
export interface RefusedTasks {
  /** Empty for statements of the caller's. */
  readonly table: string;
  readonly column: string;
  readonly sqlState: string | undefined;
  /** Of the first of them. */
  readonly error: Error;
  readonly operations: number;
  readonly deadLetters: number;
}

export function deadLetterOf(refused: Condemned | RefusedOperation): DeadLetter {
  const { error } = refused;
  const sqlState = sqlStateOf(error);
  if ('operation' in refused) {
    const { operation } = refused;
    const { kind, table, column } = operation.shape;
    return { kind, table, column, operations: 1, error, sqlState, task: () => taskOfOperation(operation) };
  }
  const { group } = refused;
  const common = { error, sqlState, task: () => taskOfGroup(group) };
  if (group.kind === 'put') {
    return { kind: 'put', table: 'zmsg_data', column: 'data', operations: 1, ...common };
  }
  const { operations } = group;
  if (group.kind === 'content') {
    return { kind: 'content', table: undefined, column: undefined, operations, ...common };
  }
  const { kind, table, column } = group.shape;
  return { kind, table, column, operations, ...common };
}

export function refusedTasks(letters: readonly DeadLetter[]): RefusedTasks[] {
  const byName = new Map<string, RefusedTasks>();
  for (const { table = '', column = '', sqlState, error, operations } of letters) {
    const name = `${table}\0${column}\0${sqlState}`;
    const before = byName.get(name);
    byName.set(name, {
      table,
      column,
      sqlState,
      error: before?.error ?? error,
      operations: (before?.operations ?? 0) + operations,
      deadLetters: (before?.deadLetters ?? 0) + 1,
    });
  }
  return [...byName.values()];
}
