import type { Figure } from '../result.js';

export interface HitRatioRow {
  /** The load and the room. */
  name: string;
  ours: number;
  /** Percent by policy, in the order of the first row. */
  others: Map<string, number>;
}

/** `FIFO 35.08  S3-FIFO 49.87  optimum 56.94  (held 256)`: what the suite notes of the other policies. */
const POLICY = /(\S+(?: \S+)*?) +(\d+(?:\.\d+)?)(?= {2}|$)/g;

/** The figures that are hit ratios beside other policies, and those that are something else. */
export function hitRatiosOf(figures: readonly Figure[]): { rows: HitRatioRow[]; rest: Figure[] } {
  const rows: HitRatioRow[] = [];
  const rest: Figure[] = [];
  for (const figure of figures) {
    const { id, name, value, unit, note = '' } = figure;
    const others = new Map(
      [...note.matchAll(POLICY)].map(([, policy, percent]) => [policy as string, Number(percent)]),
    );
    if (id.startsWith('hit-ratio.') && unit === '%' && others.size > 0)
      rows.push({ name, ours: value, others });
    else rest.push(figure);
  }
  return { rows, rest };
}
