import { join } from 'node:path';
import { counter, ZMsg } from '@zmsg/core';
import { inFlight } from '../in-flight.js';
import type { Curve } from '../result.js';
import type { Stage } from '../stage.js';

const POSTS = 10_000;
/** Longest that one point of a curve takes, however few calls go in that time. */
const POINT_MS = 2_000;
const QUICK_POINT_MS = 200;
/** Calls between two looks at the clock. */
const SLICE = 2_000;

/** How many likes a second are acknowledged, by shards and by calls in flight. */
export async function likesCurves(stage: Stage, quick: boolean): Promise<Curve[]> {
  const { pool } = stage;
  await pool.query('DROP TABLE IF EXISTS bench_scale');
  await pool.query(
    'CREATE TABLE bench_scale (id bigint PRIMARY KEY, a bigint NOT NULL DEFAULT 0, b bigint NOT NULL DEFAULT 0)',
  );
  await pool.query('INSERT INTO bench_scale (id) SELECT n FROM generate_series(0, $1::int - 1) n', [POSTS]);
  const ledger = { a: 0, b: 0 };
  const ms = quick ? QUICK_POINT_MS : POINT_MS;
  const curves = [
    await byShards(stage, quick ? [1, 2] : [1, 2, 4, 8, 16], ms, ledger),
    await byInFlight(stage, quick ? [1, 1_000] : [1, 10, 100, 1_000, 10_000], ms, ledger),
  ];
  await stage.zm.flush();
  const { rows } = await pool.query('SELECT sum(a)::bigint AS a, sum(b)::bigint AS b FROM bench_scale');
  const [sums] = rows as { a: string; b: string }[];
  if (Number(sums?.a) !== ledger.a || Number(sums?.b) !== ledger.b) {
    throw new Error(`wrong sums: ${JSON.stringify(sums)} instead of ${JSON.stringify(ledger)}`);
  }
  return curves;
}

interface Ledger {
  a: number;
  b: number;
}

async function byShards(
  { dsn, dir }: Stage,
  counts: readonly number[],
  ms: number,
  ledger: Ledger,
): Promise<Curve> {
  const acknowledged: [number, number][] = [];
  const flushed: [number, number][] = [];
  for (const batchShards of counts) {
    const zm = await ZMsg.open({
      postgresDsn: dsn,
      dataDir: join(dir, `scale-${batchShards}`),
      batchShards,
      walSync: 'interval',
      logLevel: 'error',
    });
    const started = performance.now();
    const { rate, done } = await rateOf(1_000, ms, (n) => like(zm, n, ledger));
    await zm.flush();
    acknowledged.push([batchShards, rate]);
    flushed.push([batchShards, (done * 1_000) / (performance.now() - started)]);
    await zm.close();
  }
  return {
    id: 'scale.shards',
    title: 'Likes, 1,000 in flight, `wal_sync: interval`',
    x: { name: 'shards', unit: '' },
    y: { name: 'likes', unit: '/s' },
    series: [
      { name: 'acknowledged', ours: true, points: acknowledged },
      { name: 'acknowledged and flushed', ours: true, points: flushed },
    ],
  };
}

async function byInFlight(
  { zm, pool }: Stage,
  widths: readonly number[],
  ms: number,
  ledger: Ledger,
): Promise<Curve> {
  const ours: [number, number][] = [];
  const theirs: [number, number][] = [];
  for (const width of widths) {
    ours.push([width, (await rateOf(width, ms, (n) => like(zm, n, ledger))).rate]);
    const update = (n: number) => {
      ledger.b += 1;
      return pool.query('UPDATE bench_scale SET b = b + 1 WHERE id = $1', [idOf(n)]);
    };
    theirs.push([width, (await rateOf(width, ms, update)).rate]);
  }
  return {
    id: 'scale.in-flight',
    title: 'Likes, on disk when they are acknowledged',
    x: { name: 'calls in flight', unit: '' },
    y: { name: 'likes', unit: '/s' },
    series: [
      { name: 'cacheAndPeriodicStore, always', ours: true, points: ours },
      { name: 'UPDATE (pg pool)', ours: false, points: theirs },
    ],
  };
}

const idOf = (n: number) => (n * 7919) % POSTS;

function like(zm: ZMsg, n: number, ledger: Ledger): Promise<unknown> {
  ledger.a += 1;
  const id = idOf(n);
  return zm.cacheAndPeriodicStore(
    `scale_${id}`,
    null,
    counter('bench_scale', 'a').inc(1).where('id = ?', id),
  );
}

/** Calls a second, the first slice not counted. */
async function rateOf(
  width: number,
  ms: number,
  call: (n: number) => Promise<unknown>,
): Promise<{ rate: number; done: number }> {
  const slice = Math.max(width, Math.min(SLICE, width * 20));
  await inFlight(slice, width, call);
  const started = performance.now();
  let counted = 0;
  do {
    await inFlight(slice, width, call);
    counted += slice;
  } while (performance.now() - started < ms);
  return { rate: (counted * 1_000) / (performance.now() - started), done: counted + slice };
}
