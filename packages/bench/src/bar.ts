import type { Bar, Unit } from './result.js';

/** A NaN keeps no promise. */
export function atLeast(id: string, name: string, measured: number, bound: number, unit: Unit = '×'): Bar {
  return { id, name, relation: '≥', bound, measured, unit, met: measured >= bound };
}

export function atMost(id: string, name: string, measured: number, bound: number, unit: Unit = '×'): Bar {
  return { id, name, relation: '≤', bound, measured, unit, met: measured <= bound };
}
