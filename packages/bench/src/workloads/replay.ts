import { basename } from 'node:path';
import { readTrace } from '@zmsg/node';
import { number } from '../format.js';
import { generatedLoads } from '../hit-ratio/generated-loads.js';
import { type Load, loadOf } from '../hit-ratio/load.js';
import type { WorkloadContest } from '../result.js';
import { writers } from './contenders/catalogue.js';
import type { Servers } from './servers.js';
import { checkAll, inTurns, withEntrants } from './with-entrants.js';
import { MIB, WIDTH, type Workload } from './workload.js';

const QUICK = { accesses: 4_000, rounds: 2 };
const FULL = { accesses: 160_000, rounds: 4 };
const SETTING = { skew: 0, likes: 0, posts: 0, ttlMs: 30_000, l1Bytes: 4 * MIB };

/**
 * Accesses as they were recorded, in their order; each is a read, and every tenth of a post a like. All begin with
 * empty caches; the rounds are pieces of the trace, one after the other.
 */
export const replay: Workload = {
  name: 'replay',
  async run(servers, { quick, traces }) {
    const { accesses } = quick ? QUICK : FULL;
    const contests: WorkloadContest[] = [];
    for (const load of await loadsOf(traces, accesses)) {
      contests.push(await play(load, servers, quick));
    }
    return { contests };
  },
};

async function loadsOf(traces: readonly string[], accesses: number): Promise<Load[]> {
  if (traces.length === 0) return generatedLoads(accesses).slice(0, 1);
  return Promise.all(
    traces.map(async (file) => {
      const keys: number[] = [];
      for await (const block of readTrace(file)) {
        for (const key of block) keys.push(key);
        if (keys.length >= accesses) break;
      }
      return loadOf(basename(file).replace(/(\.trace)?(\.xz)?$/, ''), keys, accesses);
    }),
  );
}

async function play(load: Load, servers: Servers, quick: boolean): Promise<WorkloadContest> {
  const { name, accesses, keys } = load;
  const { rounds } = quick ? QUICK : FULL;
  return withEntrants(writers(quick), servers, { ...SETTING, size: keys, quick }, async (entrants) => {
    const [reference] = entrants;
    const step = Math.ceil(accesses.length / rounds);
    await inTurns(entrants, rounds, (round) => ({
      kind: 'recorded',
      phase: 'replay',
      width: WIDTH,
      accesses: accesses.slice(round * step, (round + 1) * step),
    }));
    const checked = await checkAll(entrants);
    return {
      id: `replay.${name}`,
      title: `Replay of ${name}: ${number(accesses.length)} accesses of ${number(keys)} posts, ${WIDTH} in flight; statements: ${servers.count.method}`,
      runs: entrants.map((each) => each.result('replay', reference, checked.get(each) ?? '')),
    };
  });
}
