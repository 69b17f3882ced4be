import type { Generation } from '../aggregate/generation.js';
import type { AggregatedGroup } from '../aggregate/group.js';
import type { Shape } from '../operation.js';
import { putUnits } from './put-units.js';
import { contentUnit, separateUnit } from './separate-units.js';
import { setUnits } from './set-units.js';
import type { FlushUnit } from './unit.js';

/** Everything that a flush changes, in an order that is as good as that of the operations. */
export function* generationUnits(generation: Generation): Generator<FlushUnit> {
  yield* putUnits(generation.puts);
  for (const level of generation.levels) {
    const sets = new Map<Shape, AggregatedGroup[]>();
    for (const group of level) {
      if (group.kind === 'content') yield contentUnit(group);
      else if (group.reach !== 'row' || generation.isSeparate(group.shape)) yield separateUnit(group);
      else {
        const set = sets.get(group.shape);
        if (set === undefined) sets.set(group.shape, [group]);
        else set.push(group);
      }
    }
    // Shapes in one order too, for the locks' sake.
    const shapes = [...sets.keys()].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
    for (const shape of shapes) yield* setUnits(sets.get(shape) as AggregatedGroup[]);
  }
}

function orderOf({ table, column, whereText }: Shape): string {
  return `${table}\0${column}\0${whereText}`;
}
