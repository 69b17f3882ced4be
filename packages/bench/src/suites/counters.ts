import { counter, type Durability } from '@zmsg/core';
import { atLeast } from '../bar.js';
import { contest, ratioOf } from '../contest.js';
import { number } from '../format.js';
import { inFlight } from '../in-flight.js';
import type { Suite } from '../suite.js';

const POSTS = 10_000;
const IN_FLIGHT = 1_000;
const LEVELS: readonly [Durability, string][] = [
  ['always', 'on disk in the log'],
  ['interval', 'in the log, on disk within a second'],
  ['off', 'taken by the shard'],
];
const nameOf = (durability: Durability) => `cacheAndPeriodicStore, ${durability}`;
const UPDATE = 'one awaited UPDATE each (pg pool)';

/**
 * The same likes, 1,000 in flight: through the shards at each level of durability, and as one awaited
 * UPDATE each over a pool. `always` promises what the UPDATE does: it is on disk when it answers. What the
 * shards flush meanwhile is flushed within the measured time.
 */
export const counters: Suite = {
  name: 'counters',
  async run({ zm, pool }, options) {
    const count = options.quick ? 10_000 : 50_000;
    await pool.query('DROP TABLE IF EXISTS bench_counters');
    await pool.query(
      'CREATE TABLE bench_counters (id text PRIMARY KEY, a bigint NOT NULL DEFAULT 0, b bigint NOT NULL DEFAULT 0)',
    );
    await pool.query(
      `INSERT INTO bench_counters (id) SELECT 'feed_' || n FROM generate_series(0, ${POSTS - 1}) n`,
    );
    const ids = Array.from({ length: POSTS }, (_, n) => `feed_${n}`);
    const id = (n: number) => ids[(n * 7919) % POSTS] as string;
    let folded = 0;
    let single = 0;
    const periodic = LEVELS.map(([durability, does]) => ({
      name: nameOf(durability),
      does,
      ours: true,
      operations: count,
      run: async () => {
        folded += count;
        await inFlight(count, IN_FLIGHT, (n) =>
          zm.cacheAndPeriodicStore(
            id(n),
            null,
            counter('bench_counters', 'a').inc(1).where('id = ?', id(n)),
            {
              durability,
            },
          ),
        );
      },
    }));
    const update = {
      name: UPDATE,
      does: 'on disk in PostgreSQL',
      operations: count / 10,
      run: async () => {
        single += count / 10;
        await inFlight(count / 10, IN_FLIGHT, (n) =>
          pool.query('UPDATE bench_counters SET b = b + 1 WHERE id = $1', [id(n)]),
        );
      },
    };
    const likes = await contest([...periodic, update], {
      ...options,
      id: 'counters.likes',
      title: `${number(IN_FLIGHT)} in flight, ${number(POSTS)} rows (sums checked)`,
      show: 'rate',
    });
    await zm.flush();
    const { rows } = await pool.query('SELECT sum(a)::bigint AS a, sum(b)::bigint AS b FROM bench_counters');
    const [sums] = rows as { a: string; b: string }[];
    if (Number(sums?.a) !== folded || Number(sums?.b) !== single) {
      throw new Error(`wrong sums: ${JSON.stringify(sums)} instead of ${folded} and ${single}`);
    }
    return {
      name: 'counters',
      title: 'Counters',
      contests: [likes],
      bars: [
        atLeast(
          'counters.updates',
          '`always` against awaited UPDATEs',
          ratioOf(likes, UPDATE, nameOf('always')),
          20,
        ),
        atLeast(
          'counters.off',
          '`always` against `off`',
          ratioOf(likes, nameOf('off'), nameOf('always')),
          0.5,
        ),
      ],
    };
  },
};
