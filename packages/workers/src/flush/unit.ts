import type { FlushStatement, Written } from './statement.js';

/** What a flush can write, or leave out, on its own: statements with all that their groups need. */
export interface FlushUnit {
  /** At least one. */
  readonly groups: readonly Written[];
  /** In the order to run them. Built at each call, since they may be large. */
  statements(): Iterable<FlushStatement>;
  /** The same for some of its groups, `from` to before `to`. */
  part(from: number, to: number): FlushUnit;
  /** The first group as its caller wrote it. Undefined: it is so already. */
  apart?(): FlushUnit;
}

/** A unit of one group. */
export function singleUnit(group: Written, statements: () => Iterable<FlushStatement>): FlushUnit {
  const unit: FlushUnit = { groups: [group], statements, part: () => unit };
  return unit;
}
