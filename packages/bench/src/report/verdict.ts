import type { Spread } from '../result.js';

/** Of zmsg. A difference smaller than this is none, even where all rounds agree. */
const NOTEWORTHY = 1.05;

export type Verdict = 'wins' | 'loses' | 'equals' | 'unknown';

/** By all rounds: zmsg wins only where it does in the worst of them. */
export function verdictOf({ median, low, high }: Spread): Verdict {
  if (![median, low, high].every(Number.isFinite)) return 'unknown';
  if (low >= NOTEWORTHY) return 'wins';
  return high <= 1 / NOTEWORTHY ? 'loses' : 'equals';
}
