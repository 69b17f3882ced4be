import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZMsg, type ZMsgOptions } from '@zmsg/core';
import { atMost } from '../bar.js';
import { number } from '../format.js';
import { shardCount } from '../shard-count.js';
import type { Suite } from '../suite.js';

const WRITER = fileURLToPath(new URL('../recovery-writer.js', import.meta.url));
const BAR_SECONDS = 10;

/** How long a node needs after kill -9 until what it had acknowledged is in PostgreSQL. */
export const recovery: Suite = {
  name: 'recovery',
  async run({ pool, dsn, dir }, { quick }) {
    const likes = quick ? 100_000 : 1_000_000;
    const rows = likes / 10;
    await pool.query('DROP TABLE IF EXISTS bench_recovery');
    await pool.query('CREATE TABLE bench_recovery (id bigint PRIMARY KEY, likes bigint NOT NULL DEFAULT 0)');
    await pool.query('INSERT INTO bench_recovery (id) SELECT n FROM generate_series(0, $1::int - 1) n', [
      rows,
    ]);
    const options: ZMsgOptions = {
      postgresDsn: dsn,
      dataDir: join(dir, 'recovery'),
      batchShards: shardCount(quick),
      batchSize: 100_000,
      batchInterval: '1h',
      pendingMax: 2_000_000,
      logLevel: 'error',
    };
    const [applied, bytes] = await writeAndDie(options, likes, rows);
    if (applied !== 0) throw new Error(`the writer had flushed ${applied} operations`);
    const started = performance.now();
    const zm = await ZMsg.open(options);
    const opened = (performance.now() - started) / 1_000;
    const { recovered } = zm.stats().shards.log;
    await zm.flush();
    const flushed = (performance.now() - started) / 1_000;
    await zm.close();
    const { rows: sums } = await pool.query('SELECT sum(likes)::int AS n FROM bench_recovery');
    if (recovered !== likes || sums[0].n !== likes) {
      throw new Error(`${recovered} operations were recovered, ${sums[0].n} are applied, of ${likes}`);
    }
    return {
      name: 'recovery',
      title: `Recovery of ${number(likes)} logged likes of ${number(rows)} rows (sum checked)`,
      contests: [],
      figures: [
        { id: 'recovery.log', name: 'log', value: bytes, unit: 'bytes' },
        { id: 'recovery.open', name: 'open, everything in memory again', value: opened, unit: 's' },
        { id: 'recovery.flushed', name: 'until all of it is in PostgreSQL', value: flushed, unit: 's' },
      ],
      // The promise is for a million.
      bars: quick ? [] : [atMost('recovery.seconds', 'recovery', flushed, BAR_SECONDS, 's')],
    };
  },
};

function writeAndDie(options: ZMsgOptions, likes: number, rows: number): Promise<[number, number]> {
  return new Promise((resolve, reject) => {
    const input = JSON.stringify([options, likes, rows]);
    execFile(process.execPath, [WRITER, input], (error, stdout, stderr) => {
      if (error?.signal === 'SIGKILL') resolve(stdout.split(' ').map(Number) as [number, number]);
      else reject(new Error(`the writer was not killed: ${stderr}`));
    });
  });
}
