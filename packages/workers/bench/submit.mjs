/**
 * Counter increments through the whole write path: encode, ring, shard, acknowledgement, while flushes
 * go to a PostgreSQL of its own.
 *
 *   node packages/workers/bench/submit.mjs [--ops 1000000] [--in-flight 1000] [--shards 16] [--keys 100000]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startPostgres } from '@zmsg/testbed';
import pg from 'pg';
import { startShards } from '../dist/index.js';

const { values: args } = parseArgs({
  options: {
    ops: { type: 'string', default: '1000000' },
    'in-flight': { type: 'string', default: '1000' },
    shards: { type: 'string', default: '16' },
    keys: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
  },
});
const ops = Number(args.ops);
const inFlight = Number(args['in-flight']);
const keys = Number(args.keys);

/** Ranks drawn from Zipf(0.99) over `keys`, the same at every run. */
function zipf(count) {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let i = 0; i < keys; i++) {
    sum += 1 / (i + 1) ** 0.99;
    sums[i] = sum;
  }
  const ranks = new Uint32Array(count);
  let state = 42;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const target = (state / 2 ** 32) * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < target) low = middle + 1;
      else high = middle;
    }
    ranks[i] = low;
  }
  return ranks;
}

const server = await startPostgres();
const connectionString = await server.createDatabase('bench');
const client = new pg.Client({ connectionString });
await client.connect();
await client.query(readFileSync(new URL('../../../schema/001_engine.sql', import.meta.url), 'utf8'));
await client.query(
  'CREATE TABLE posts (id text PRIMARY KEY, likes bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)',
);
await client.query(`INSERT INTO posts SELECT 'post_' || i FROM generate_series(0, $1::int - 1) AS g(i)`, [
  keys,
]);
await client.query('VACUUM ANALYZE posts');

const shards = await startShards({
  store: { connectionString, maxConnections: 25, maxLifetimeMs: 300_000, singleSession: false },
  shards: Number(args.shards),
  batchSize: 1000,
  batchIntervalMs: 5000,
  ringBytes: 1 << 20,
  pendingMax: 1_000_000,
  onFull: 'wait',
  onEvent: (event) => {
    if ('error' in event) console.error(event);
  },
});

const parts = ['id = ', ''];
const tasks = Array.from({ length: keys }, (_, i) => ({
  kind: 'counter',
  op: 'inc',
  operand: 1,
  table: 'posts',
  column: 'likes',
  where: { text: 'id = ?', parts, values: [`post_${i}`] },
  orInsert: undefined,
  batchKey: `post:post_${i}`,
  text: '',
  values: [],
}));
const ranks = zipf(ops);

async function round() {
  let next = 0;
  const caller = async () => {
    while (next < ops) await shards.submit(tasks[ranks[next++]]);
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(Array.from({ length: inFlight }, caller));
  const seconds = (performance.now() - started) / 1000;
  await shards.flush();
  const flushed = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    rate: Math.round(ops / seconds),
    flushedRate: Math.round(ops / flushed),
    cpuMicros: ((user + system) / ops).toFixed(2),
    systemShare: Math.round((100 * system) / (user + system)),
  };
}

for (let i = 0; i < Number(args.rounds); i++) {
  const { rate, flushedRate, cpuMicros, systemShare } = await round();
  console.log(
    `${rate.toLocaleString('en')} acknowledged/s, ${flushedRate.toLocaleString('en')} committed/s,`,
    `${cpuMicros} µs of processor per operation in all threads (${systemShare} % in the kernel)`,
  );
}
const stats = shards.stats();
console.log(stats);
await shards.close();
const { rows } = await client.query('SELECT sum(likes)::text AS likes FROM posts');
console.log(`likes submitted ${ops * Number(args.rounds)}, in PostgreSQL ${rows[0].likes}`);
await client.end();
await server.destroy();
