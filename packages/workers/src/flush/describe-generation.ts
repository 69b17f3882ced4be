import { isDeepStrictEqual } from 'node:util';
import type { Generation } from '../aggregate/generation.js';
import type { AggregatedGroup } from '../aggregate/group.js';
import type { Columns } from './columns.js';
import type { Session } from './session.js';

/** Tables that did not exist when the operations came may exist now. */
export async function describeMissing(
  generation: Generation,
  columns: Columns,
  session: Session,
): Promise<void> {
  const missing = aggregatedGroups(generation).filter((group) => !group.columns.isDescribed);
  if (missing.length === 0) return;
  await columns.describeAnew([...new Set(missing.map(({ shape }) => shape))], session);
  for (const group of missing) group.columns = columns.of(group.shape);
}

/**
 * Describes all columns anew, and lets the groups of those that are not what they were run apart. True
 * if there are any.
 */
export async function separateAltered(
  generation: Generation,
  columns: Columns,
  session: Session,
): Promise<boolean> {
  const groups = aggregatedGroups(generation);
  await columns.describeAnew([...new Set(groups.map(({ shape }) => shape))], session);
  let isAltered = false;
  for (const { shape, columns: before } of groups) {
    const now = columns.of(shape);
    // Of what is gone, every group is refused alike.
    if (!now.isDescribed || generation.isSeparate(shape) || isDeepStrictEqual(before, now)) continue;
    generation.separate(shape);
    isAltered = true;
  }
  return isAltered;
}

function aggregatedGroups({ levels }: Generation): AggregatedGroup[] {
  return levels.flat().filter((group) => group.kind === 'aggregated');
}
