import { median, spread } from '../contest.js';
import { number } from '../format.js';
import type { Figure, WorkloadRun } from '../result.js';
import { readers } from './contenders/catalogue.js';
import { checkAll, inTurns, withEntrants } from './with-entrants.js';
import { MIB, SKEW, WIDTH, type Workload } from './workload.js';

const HIT_RATIO = 0.9;
const MAX_READS = 2_000_000;

interface ColdRun {
  id: string;
  run: WorkloadRun;
  seconds: number;
  loads: number;
}

/**
 * All caches are empty and readers come at once: how long until nine of ten reads need no database, and what the
 * database has to do for it. Each round has processes and prefixes of its own.
 */
export const coldStart: Workload = {
  name: 'cold-start',
  async run(servers, { quick }) {
    const [size, rounds, window] = quick ? [1_000, 1, 500] : [30_000, 2, 2_000];
    const setting = { quick, size, skew: SKEW, likes: 0, posts: 0, ttlMs: 600_000, l1Bytes: 16 * MIB };
    const byRound: ColdRun[][] = [];
    for (let round = 0; round < rounds; round++) {
      byRound.push(
        await withEntrants(readers(quick), servers, setting, async (entrants) => {
          const [reference] = entrants;
          await inTurns(entrants, 1, {
            kind: 'cold',
            phase: 'cold',
            width: WIDTH,
            hitRatio: HIT_RATIO,
            window,
            maxReads: MAX_READS,
          });
          const checked = await checkAll(entrants);
          return entrants.map((each) => {
            const { seconds, loads } = each.outcome('cold');
            const run = each.result('cold', reference, checked.get(each) ?? '');
            return { id: each.entry.id, run, seconds, loads };
          });
        }),
      );
    }
    const all = readers(quick).map((id) => byRound.flatMap((runs) => runs.filter((each) => each.id === id)));
    const title = `Cold start with ${number(size)} posts, ${WIDTH} readers, until ${100 * HIT_RATIO} % are hits; statements: ${servers.count.method}`;
    return {
      contests: [{ id: 'cold-start', title, runs: all.map((runs) => merged(runs)) }],
      figures: all.map((runs) => figureOf(runs)),
    };
  },
};

/** The last round stands for all, but for what is a spread of the rounds. */
function merged(rounds: readonly ColdRun[]): WorkloadRun {
  const runs = rounds.map(({ run }) => run);
  return {
    ...(runs.at(-1) as WorkloadRun),
    throughput: spread(runs.map(({ throughput }) => throughput.median)),
    ratio: spread(runs.map(({ ratio }) => ratio.median)),
  };
}

function figureOf(rounds: readonly ColdRun[]): Figure {
  const { id, run, loads } = rounds.at(-1) as ColdRun;
  return {
    id: `cold-start.${id}`,
    name: `${run.name}: until ${100 * HIT_RATIO} % are hits`,
    value: median(rounds.map(({ seconds }) => seconds)),
    unit: 's',
    note: `${number(loads)} rows loaded with ${number(run.database.statements)} statements`,
  };
}
