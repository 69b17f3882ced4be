import { counter } from '@zmsg/core';
import { contest } from '../contest.js';
import { number, times } from '../format.js';
import { inFlight } from '../in-flight.js';
import type { Suite } from '../suite.js';

const POSTS = 10_000;
const IN_FLIGHT = 1_000;

/**
 * The same likes, 1,000 in flight: folded by the shards, and as one awaited UPDATE each over a pool.
 * Not the same durability in this version: the UPDATE is on disk when it answers, the fold when it is
 * flushed; the flush runs within the measured time.
 */
export const counters: Suite = {
  name: 'counters',
  async run({ zm, pool }, options) {
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
    const periodic = {
      name: 'cacheAndPeriodicStore',
      operations: 50_000,
      run: async () => {
        folded += 50_000;
        await inFlight(50_000, IN_FLIGHT, (n) =>
          zm.cacheAndPeriodicStore(id(n), null, counter('bench_counters', 'a').inc(1).where('id = ?', id(n))),
        );
      },
    };
    const update = {
      name: 'one awaited UPDATE each (pg pool)',
      operations: 5_000,
      run: async () => {
        single += 5_000;
        await inFlight(5_000, IN_FLIGHT, (n) =>
          pool.query('UPDATE bench_counters SET b = b + 1 WHERE id = $1', [id(n)]),
        );
      },
    };
    const [ours, theirs] = await contest([periodic, update], options);
    if (ours === undefined || theirs === undefined) throw new Error('a contender was not measured');
    await zm.flush();
    const { rows } = await pool.query('SELECT sum(a)::bigint AS a, sum(b)::bigint AS b FROM bench_counters');
    const [sums] = rows as { a: string; b: string }[];
    if (Number(sums?.a) !== folded || Number(sums?.b) !== single) {
      throw new Error(`wrong sums: ${JSON.stringify(sums)} instead of ${folded} and ${single}`);
    }
    const ratio = theirs.nsPerOp / ours.nsPerOp;
    return {
      title: `Counters, ${number(IN_FLIGHT)} in flight, ${number(POSTS)} rows (sums checked)`,
      figures: [ours, theirs].map(({ name, nsPerOp, spread }) => ({
        name,
        value: `${number(1e9 / nsPerOp)} ops/s`,
        note: `spread ${spread.toFixed(2)}`,
      })),
      bars: [
        { name: 'rate against awaited UPDATEs', target: '≥ 20 ×', measured: times(ratio), met: ratio >= 20 },
      ],
    };
  },
};
