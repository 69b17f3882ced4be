import { counter } from '@zmsg/core';
import { Random, Zipf } from '@zmsg/node';
import { atMost } from '../bar.js';
import { number } from '../format.js';
import { inFlight } from '../in-flight.js';
import type { Suite } from '../suite.js';

const IN_FLIGHT = 1_000;

/** How many data-changing statements it takes to write likes with real popularity. */
export const statements: Suite = {
  name: 'statements',
  async run({ zm, pool }, { quick }) {
    const likes = quick ? 100_000 : 1_000_000;
    const posts = quick ? 10_000 : 100_000;
    await pool.query('DROP TABLE IF EXISTS bench_likes');
    await pool.query('CREATE TABLE bench_likes (id text PRIMARY KEY, likes bigint NOT NULL DEFAULT 0)');
    await pool.query('INSERT INTO bench_likes (id) SELECT $1 || n FROM generate_series(0, $2::int - 1) n', [
      'feed_',
      posts,
    ]);
    const zipf = new Zipf(posts, 0.99, new Random(1));
    const ledger = new Map<string, number>();
    await zm.flush();
    const before = zm.stats().shards;
    const started = performance.now();
    await inFlight(likes, IN_FLIGHT, () => {
      const id = `feed_${zipf.next()}`;
      ledger.set(id, (ledger.get(id) ?? 0) + 1);
      return zm.cacheAndPeriodicStore(id, null, counter('bench_likes', 'likes').inc(1).where('id = ?', id));
    });
    await zm.flush();
    const seconds = (performance.now() - started) / 1_000;
    const after = zm.stats().shards;
    const { rows } = await pool.query('SELECT id, likes::int AS likes FROM bench_likes WHERE likes > 0');
    const wrong = (rows as { id: string; likes: number }[]).filter(
      ({ id, likes: n }) => ledger.get(id) !== n,
    ).length;
    if (wrong > 0 || rows.length !== ledger.size)
      throw new Error(`${wrong} of ${rows.length} counters are wrong`);
    const data = after.statements - before.statements;
    const count = (id: string, name: string, value: number) =>
      ({ id: `statements.${id}`, name, value, unit: '' }) as const;
    return {
      name: 'statements',
      title: `${number(likes)} likes over ${number(posts)} posts, Zipf 0.99 (every counter checked)`,
      contests: [],
      figures: [
        count('data', 'data-changing statements', data),
        count(
          'overhead',
          'BEGIN, COMMIT and progress marks',
          after.overheadStatements - before.overheadStatements,
        ),
        count('transactions', 'transactions', after.flushes - before.flushes),
        { id: 'statements.rate', name: 'likes, flushed', value: likes / seconds, unit: '/s' },
      ],
      bars: [
        atMost('statements.likes', 'data-changing statements per 1,000 likes', (data / likes) * 1_000, 1, ''),
      ],
    };
  },
};
