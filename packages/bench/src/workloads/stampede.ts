import { setTimeout as sleep } from 'node:timers/promises';
import { number } from '../format.js';
import { readers } from './contenders/catalogue.js';
import { checkAll, inTurns, withEntrants } from './with-entrants.js';
import { MIB, type Workload } from './workload.js';

const READERS_AT_ONCE = 1_000;
const TTL_MS = 400;
/** Redis and timers may be late. */
const AFTER_EXPIRY_MS = 50;
const KEYS: readonly [id: string, keys: number][] = [
  ['stampede.one', 1],
  ['stampede.ten', 10],
];

/** A hot key expires in all caches, and everybody asks for it in the same moment. One load is enough. */
export const stampede: Workload = {
  name: 'stampede',
  async run(servers, { quick }) {
    const bursts = quick ? 1 : 8;
    const setting = { quick, size: 100, skew: 0, likes: 0, posts: 0, ttlMs: TTL_MS, l1Bytes: 4 * MIB };
    return withEntrants(readers(quick), servers, setting, async (entrants) => {
      const [reference] = entrants;
      await inTurns(entrants, 1, { kind: 'warm-up', phase: 'warm-up', ranks: 100, width: 100 });
      for (let burst = 0; burst < bursts; burst++) {
        for (const [phase, keys] of KEYS) {
          // All have read last before this moment, so everything has expired for each of them in its turn.
          await sleep(TTL_MS + AFTER_EXPIRY_MS);
          await inTurns(entrants, 1, { kind: 'burst', phase, keys, readers: READERS_AT_ONCE });
        }
      }
      const checked = await checkAll(entrants);
      return {
        contests: KEYS.map(([id, keys]) => ({
          id,
          title: `${number(READERS_AT_ONCE)} readers at once of ${keys === 1 ? 'a key that has' : `${keys} keys that have`} expired; statements: ${servers.count.method}`,
          runs: entrants.map((each) => each.result(id, reference, checked.get(each) ?? '')),
        })),
        figures: KEYS.flatMap(([phase, keys]) =>
          entrants.map((each) => ({
            id: `${phase}.${each.entry.id}`,
            name: `${each.entry.name}: loads per expiry of a key, ${keys === 1 ? 'one' : `${keys} keys`}`,
            value: each.outcome(phase).loads / (bursts * keys),
            unit: '' as const,
          })),
        ),
      };
    });
  },
};
