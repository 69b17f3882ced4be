import { join } from 'node:path';
import { counter, ZMsg } from '@zmsg/core';
import pg from 'pg';
import { atLeast } from '../bar.js';
import { median } from '../contest.js';
import { number } from '../format.js';
import { inFlight } from '../in-flight.js';
import { shardCount } from '../shard-count.js';
import type { Suite } from '../suite.js';

const IN_FLIGHT = 10_000;

/** Rows per second that reach PostgreSQL: flushed by the shards, and as prepared UPDATEs in one transaction. */
export const flush: Suite = {
  name: 'flush',
  async run({ pool, dsn, dir }, { quick }) {
    const rows = quick ? 20_000 : 100_000;
    const rounds = quick ? 2 : 5;
    await pool.query('DROP TABLE IF EXISTS bench_flush');
    await pool.query(
      'CREATE TABLE bench_flush (id bigint PRIMARY KEY, a bigint NOT NULL DEFAULT 0, b bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)',
    );
    await pool.query('INSERT INTO bench_flush (id) SELECT n FROM generate_series(0, $1::int - 1) n', [rows]);
    const zm = await ZMsg.open({
      postgresDsn: dsn,
      dataDir: join(dir, 'flush'),
      batchShards: shardCount(quick),
      walSync: 'off', // the log has no part in what is measured here
      batchSize: 1_000_000,
      batchInterval: '1h',
      logLevel: 'error',
    });
    const client = new pg.Client({ connectionString: dsn });
    await client.connect();
    const ours: number[] = [];
    const theirs: number[] = [];
    const single = rows / 10;
    for (let round = 0; round < rounds; round++) {
      await inFlight(rows, IN_FLIGHT, (id) =>
        zm.cacheAndPeriodicStore(`row_${id}`, null, counter('bench_flush', 'a').inc(1).where('id = ?', id)),
      );
      ours.push(rows / (await secondsOf(() => zm.flush())));
      theirs.push(single / (await secondsOf(() => updateOneByOne(client, single))));
    }
    await client.end();
    await zm.close();
    const { rows: sums } = await pool.query('SELECT min(a)::int AS a, sum(b)::int AS b FROM bench_flush');
    if (sums[0].a !== rounds || sums[0].b !== rounds * single) {
      throw new Error(`wrong counts: ${JSON.stringify(sums[0])}`);
    }
    const rate = (id: string, name: string, rates: readonly number[]) =>
      ({ id: `flush.${id}`, name, value: median(rates), unit: '/s' }) as const;
    return {
      name: 'flush',
      title: `Flush of ${number(rows)} rows (every one checked)`,
      contests: [],
      figures: [
        rate('ours', 'rows flushed by the shards', ours),
        rate('theirs', 'rows by one prepared UPDATE each, in one transaction', theirs),
      ],
      bars: [atLeast('flush.updates', 'against one UPDATE per row', median(ours) / median(theirs), 10)],
    };
  },
};

async function updateOneByOne(client: pg.Client, rows: number): Promise<void> {
  await client.query('BEGIN');
  for (let id = 0; id < rows; id++) {
    await client.query({
      name: 'one',
      text: 'UPDATE bench_flush SET b = b + 1 WHERE id = $1',
      values: [id],
    });
  }
  await client.query('COMMIT');
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
}
