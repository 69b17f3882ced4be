import type { Random } from '@zmsg/node';

/**
 * When operations are due, in milliseconds from the start: independent users, so a Poisson process, whose gaps
 * are exponential. An even beat would never bring two at once, and no queue would ever form.
 */
export function arrivals(perSecond: number, seconds: number, random: Random): Float64Array {
  const due: number[] = [];
  const meanGapMs = 1_000 / perSecond;
  for (let at = 0; ; ) {
    at -= meanGapMs * Math.log(1 - random.fraction());
    if (at >= 1_000 * seconds) return Float64Array.from(due);
    due.push(at);
  }
}
