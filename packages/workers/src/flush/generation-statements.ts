import type { Generation } from '../aggregate/generation.js';
import type { AggregatedGroup } from '../aggregate/group.js';
import type { Shape } from '../operation.js';
import { putStatements } from './put-statements.js';
import { contentStatement, separateStatements } from './separate-statements.js';
import { setStatements } from './set-statements.js';
import type { FlushStatement } from './statement.js';

/** Everything that a flush changes, in an order that is as good as that of the operations. */
export function* generationStatements(generation: Generation): Generator<FlushStatement> {
  yield* putStatements(generation.puts);
  for (const level of generation.levels) {
    const sets = new Map<Shape, AggregatedGroup[]>();
    for (const group of level) {
      if (group.kind === 'content') yield contentStatement(group);
      else if (group.reach !== 'row' || generation.isSeparate) yield* separateStatements(group);
      else {
        const set = sets.get(group.shape);
        if (set === undefined) sets.set(group.shape, [group]);
        else set.push(group);
      }
    }
    // Shapes in one order too, for the locks' sake.
    const shapes = [...sets.keys()].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
    for (const shape of shapes) yield* setStatements(sets.get(shape) as AggregatedGroup[]);
  }
}

function orderOf({ table, column, whereText }: Shape): string {
  return `${table}\0${column}\0${whereText}`;
}
