import { LRUCache } from 'lru-cache';
import { contest } from '../contest.js';
import { inFlight } from '../in-flight.js';
import { CONTENT_LENGTH, feedContent, feedId } from '../peers/feed-table.js';
import type { Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';
import { loopTurn } from './loop-turn.js';

const KEYS = 10_000;
const MANY = 100;
/** Calls in one sample, where nothing is sent. */
const LOOP = 10;

type Value = Buffer | null | undefined;

/** A hundred values that are all where each contender looks first. */
export async function compareMany({ zm, redis }: Stage, options: SuiteOptions): Promise<Contest> {
  const lru = new LRUCache<string, Buffer>({ max: KEYS, ttl: 3_600_000 });
  await inFlight(KEYS, MANY, async (n) => {
    const value = Buffer.from(feedContent(n));
    lru.set(feedId(n), value);
    await Promise.all([zm.cacheOnly(feedId(n), value), redis.set(feedId(n), value, 'PX', 3_600_000)]);
  });
  const pages = Array.from({ length: KEYS / MANY }, (_, page) =>
    Array.from({ length: MANY }, (_, at) => feedId((page * MANY + at * 101) % KEYS)),
  );
  let at = 0;
  const page = () => pages[at++ % pages.length] as string[];
  const check = (values: readonly Value[]) => {
    for (const value of values) if (value?.length !== CONTENT_LENGTH) throw new Error('a miss was measured');
  };
  return contest(
    [
      {
        name: 'await getMany',
        does: 'a Map of Buffers from shared memory',
        ours: true,
        operations: LOOP,
        before: loopTurn,
        run: async () => {
          for (let n = 0; n < LOOP; n++) {
            const ids = page();
            const values = await zm.getMany(ids);
            check(ids.map((id) => values.get(id)));
          }
        },
      },
      {
        name: 'lru-cache, one by one',
        does: 'a Map of the objects that were stored',
        operations: LOOP,
        before: loopTurn,
        run: () => {
          for (let n = 0; n < LOOP; n++) {
            const ids = page();
            const values = new Map<string, Buffer>();
            for (const id of ids) {
              const value = lru.get(id);
              if (value !== undefined) values.set(id, value);
            }
            check(ids.map((id) => values.get(id)));
          }
        },
      },
      {
        name: 'await ioredis MGET',
        does: 'a round trip on loopback',
        operations: 1,
        run: async () => check(await redis.mgetBuffer(page())),
      },
    ],
    { ...options, id: 'reads.many', title: '100 hits, per call (every value checked)' },
  );
}
