import { writers } from './contenders/catalogue.js';
import { checkAll, inTurns, withEntrants } from './with-entrants.js';
import { MIB, WIDTH, type Workload } from './workload.js';

const SETTING = { size: 1, skew: 0, likes: 0.9, posts: 0, ttlMs: 2_000, l1Bytes: 4 * MIB };

/** Everybody likes one post, and one in ten looks at it: one row, one key. */
export const viral: Workload = {
  name: 'viral',
  async run(servers, { quick }) {
    const [rounds, durationMs] = quick ? [2, 150] : [3, 1_000];
    return withEntrants(writers(quick), servers, { ...SETTING, quick }, async (entrants) => {
      const [reference] = entrants;
      await inTurns(entrants, 1, { kind: 'warm-up', phase: 'warm-up', ranks: 1, width: 1 });
      await inTurns(entrants, rounds, { kind: 'closed', phase: 'viral', width: WIDTH, durationMs });
      const checked = await checkAll(entrants);
      const runs = entrants.map((each) => each.result('viral', reference, checked.get(each) ?? ''));
      const title = `One viral post, ${WIDTH} in flight: 90 % likes, 10 % reads of it; statements: ${servers.count.method}`;
      return { contests: [{ id: 'viral', title, runs }] };
    });
  },
};
