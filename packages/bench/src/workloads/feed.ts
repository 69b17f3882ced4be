import { atLeast, atMost } from '../bar.js';
import { median } from '../contest.js';
import { number } from '../format.js';
import type { WorkloadContest, WorkloadRun } from '../result.js';
import { CONTENDERS } from './contenders/catalogue.js';
import type { Entrant } from './entrant.js';
import { checkAll, inTurns, withEntrants } from './with-entrants.js';
import { MIB, SKEW, WIDTH, type Workload } from './workload.js';

const OURS = 'zmsg-always';
/** The same application with Redis by hand: with its values as fresh as can be, and as old as ours may be. */
const BY_HAND = ['cache-aside', 'cache-aside-ttl'];
const OFFERED_SHARE = 0.7;
const MORE = 10;
const QUICK = {
  size: 1_000,
  l1Bytes: MIB,
  ttlMs: 30_000,
  warm: 300,
  warmUpMs: 50,
  rounds: 2,
  roundMs: 150,
  openRounds: 1,
  openSeconds: 0.3,
};
/**
 * A third of the posts fits into a process' own cache. Values outlive the contest: a contender waits most of the
 * time for its turn, and what expired meanwhile would be loaded again in its round as no application has to.
 */
const FULL = {
  size: 100_000,
  l1Bytes: 16 * MIB,
  ttlMs: 600_000,
  warm: 20_000,
  warmUpMs: 1_000,
  rounds: 4,
  roundMs: 2_000,
  openRounds: 2,
  openSeconds: 3,
};

/**
 * A social feed: 95 % reads, 4 % likes, 1 % posts; popularity drifts to what is new. First as much as goes, then
 * as much as was asked for: all at one rate, which is most of what the cache-aside by hand can do.
 */
export const feed: Workload = {
  name: 'feed',
  async run(servers, { quick }) {
    const scale = quick ? QUICK : FULL;
    const setting = { ...scale, quick, skew: SKEW, likes: 0.04, posts: 0.01 };
    const ids = CONTENDERS.map(({ id }) => id);
    return withEntrants(ids, servers, setting, async (entrants) => {
      const [reference] = entrants;
      await inTurns(entrants, 1, { kind: 'warm-up', phase: 'warm-up', ranks: scale.warm, width: WIDTH });
      await inTurns(entrants, 1, {
        kind: 'closed',
        phase: 'warm-up',
        width: WIDTH,
        durationMs: scale.warmUpMs,
      });
      await inTurns(entrants, scale.rounds, {
        kind: 'closed',
        phase: 'closed',
        width: WIDTH,
        durationMs: scale.roundMs,
      });
      const rateOf = (id: string) => median(find(entrants, id).outcome('closed').rates);
      const offered = Math.floor(OFFERED_SHARE * rateOf('cache-aside'));
      const open = { kind: 'open', phase: 'open', perSecond: offered, seconds: scale.openSeconds } as const;
      await inTurns(entrants, scale.openRounds, open);
      const able = entrants.filter(({ entry }) => entry.ours && rateOf(entry.id) > MORE * offered);
      await inTurns(able, scale.openRounds, { ...open, phase: 'more', perSecond: MORE * offered });

      const checked = await checkAll(entrants);
      const result = (entrant: Entrant, phase: string, rate?: number) =>
        entrant.result(phase, reference, checked.get(entrant) ?? '', rate);
      const closedRuns = entrants.map((entrant) => result(entrant, 'closed'));
      const openRuns = entrants.map((entrant) => result(entrant, 'open', offered));
      const counted = `statements: ${servers.count.method}`;
      const load = `${number(scale.size)} posts, 95 % reads, 4 % likes, 1 % posts`;
      const contests: WorkloadContest[] = [
        {
          id: 'feed.closed',
          title: `Social feed, ${WIDTH} in flight: ${load}; ${counted}`,
          runs: closedRuns,
        },
        {
          id: 'feed.open',
          title: `Social feed at one rate, ${OFFERED_SHARE * 100} % of what the cache-aside can do; ${counted}`,
          runs: [...openRuns, ...able.map((entrant) => result(entrant, 'more', MORE * offered))],
        },
      ];
      const nameOf = (id: string) => find(entrants, id).entry.name;
      const run = (runs: readonly WorkloadRun[], id: string) =>
        runs.find(({ name }) => name === nameOf(id)) as WorkloadRun;
      const best = Math.max(...BY_HAND.map((id) => run(closedRuns, id).throughput.median));
      const least = Math.min(...BY_HAND.map((id) => run(openRuns, id).latencyMs.p99));
      return {
        contests,
        figures: closedRuns.map(({ name, cpu, throughput }, at) => ({
          id: `feed.cpu.${ids[at]}`,
          name: `${name}: processor time of an operation, this process`,
          value: (1e9 * cpu) / throughput.median,
          unit: 'ns' as const,
        })),
        bars: [
          atLeast(
            'feed.throughput',
            `${nameOf(OURS)} against the better cache-aside by hand, as much as goes`,
            run(closedRuns, OURS).throughput.median / best,
            10,
          ),
          atMost(
            'feed.p99',
            `p99 of ${nameOf(OURS)} against that of the better cache-aside by hand, at one rate`,
            run(openRuns, OURS).latencyMs.p99 / least,
            1,
          ),
        ],
      };
    });
  },
};

function find(entrants: readonly Entrant[], id: string): Entrant {
  const found = entrants.find(({ entry }) => entry.id === id);
  if (found === undefined) throw new Error(`no ${id} in the feed`);
  return found;
}
