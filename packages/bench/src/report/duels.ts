import type { BenchRun, Contest, Standing } from '../result.js';

/** A contest that somebody else takes part in, with the standing of ours that the others are held against. */
export interface Duel {
  contest: Contest;
  ours: Standing;
  others: Standing[];
}

export function duelsOf({ suites }: BenchRun): Duel[] {
  return suites.flatMap(({ contests }) => contests.flatMap(duelOf));
}

function duelOf(contest: Contest): Duel[] {
  const ours = contest.standings.find((standing) => standing.ours);
  const others = contest.standings.filter((standing) => !standing.ours);
  return ours === undefined || others.length === 0 ? [] : [{ contest, ours, others }];
}
