/**
 * How fast operations are folded, and how fast groups are flushed beside one UPDATE per row.
 *
 *     node packages/workers/bench/fold.mjs
 *
 * Starts a PostgreSQL of its own.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { startPostgres } from '@zmsg/testbed';
import pg from 'pg';
import { Aggregator } from '../dist/aggregate/aggregator.js';
import { Columns } from '../dist/flush/columns.js';
import { Flusher } from '../dist/flush/flusher.js';

const ROWS = 100_000;
const OPERATIONS = 500_000;
const BLOCK = 10_000;
const BATCH = 5000;

const postgres = await startPostgres({ settings: ['fsync=off'] });
const client = new pg.Client({ connectionString: await postgres.createDatabase('bench') });
await client.connect();
try {
  await client.query(readFileSync(new URL('../../../schema/001_engine.sql', import.meta.url), 'utf8'));
  await client.query(`
    CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0, score float8 NOT NULL DEFAULT 0,
      tags jsonb, extra jsonb) WITH (fillfactor = 50);
    INSERT INTO t (id) SELECT n FROM generate_series(1, ${ROWS}) n`);
  await client.query('VACUUM ANALYZE t');
  const columns = new Columns();
  const shapes = {
    counter: shapeOf('counter', 'n'),
    slice: shapeOf('slice', 'tags'),
    map: shapeOf('map', 'extra'),
  };
  await columns.describe(Object.values(shapes), client);

  const inc = (i, id) => operation(shapes.counter, 'inc', 1 + (i & 3), id);
  mapRate('for comparison: Map.get and +=, 1,000', inc, 1000);
  foldRate('inc, 1,000 known groups', columns, inc, 1000);
  mapRate('for comparison: Map.get and +=', inc, ROWS);
  foldRate('inc, 100,000 known groups, Zipf', columns, inc, ROWS);
  foldRate('mul, 1,000 known groups', columns, (i, id) =>
    operation(shapes.counter, 'mul', i & 1 ? -1 : 1, id),
  );
  foldRate(
    'slice add, 1,000 known groups',
    columns,
    (_, id) => operation(shapes.slice, 'add', '"tag"', id),
    1000,
  );
  foldRate('map set, 1,000 known groups', columns, (i, id) =>
    operation(shapes.map, 'set', '1', id, `k${i & 7}`),
  );
  newGroupRate(columns, shapes.counter);
  await flushRate(columns, shapes.counter, client);
} finally {
  await client.end();
  await postgres.destroy();
}

function shapeOf(kind, column) {
  return {
    kind,
    table: 't',
    column,
    whereText: 'id = ?',
    whereParts: ['id = ', ''],
    insertColumns: undefined,
  };
}

function operation(shape, op, operand, id, key) {
  return {
    kind: 'aggregated',
    shape,
    op,
    operand,
    key,
    // As a decoder makes it: a new string each time.
    rawKey: Buffer.from(`\x00\x08${id}`, 'latin1').toString('latin1'),
    values: () => ({ batchKey: undefined, whereValues: [id], insertValues: undefined }),
  };
}

/** Ranks by a Zipf law with exponent 0.99. */
function zipf(count, max) {
  const cumulative = new Float64Array(max);
  let sum = 0;
  for (let i = 0; i < max; i++) cumulative[i] = sum += 1 / (i + 1) ** 0.99;
  return Array.from({ length: count }, () => {
    const point = Math.random() * sum;
    let [low, high] = [0, max - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] < point) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  });
}

/** Time of `add` alone, in the fastest of many blocks; the operations are made before. */
function foldRate(name, columns, make, rows) {
  const aggregator = new Aggregator(columns);
  for (let id = 1; id <= rows; id++) aggregator.add(make(0, id));
  fastestBlock(name, make, rows, (op) => aggregator.add(op));
}

function mapRate(name, make, rows) {
  const groups = new Map();
  for (let id = 1; id <= rows; id++) groups.set(make(0, id).rawKey, { n: 0 });
  fastestBlock(name, make, rows, (op) => {
    groups.get(op.rawKey).n += op.operand;
  });
}

function fastestBlock(name, make, rows, take) {
  let best = Number.POSITIVE_INFINITY;
  for (let done = 0; done < OPERATIONS; done += BLOCK) {
    const block = zipf(BLOCK, rows).map((id, i) => make(i, id));
    const start = process.hrtime.bigint();
    for (const op of block) take(op);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / BLOCK);
  }
  print(name, best);
}

function print(name, ns) {
  console.log(`${name.padEnd(38)} ${ns.toFixed(0).padStart(6)} ns/op`);
}

function newGroupRate(columns, shape) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const aggregator = new Aggregator(columns);
    const block = Array.from({ length: ROWS }, (_, i) => operation(shape, 'inc', 1, i + 1));
    const start = process.hrtime.bigint();
    for (const op of block) aggregator.add(op);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / ROWS);
  }
  print('inc, every one a new group', best);
}

async function flushRate(columns, shape, client) {
  const flusher = new Flusher({
    connect: async () => client,
    disconnect: () => {},
    mark: { logId: randomUUID(), shard: 0, epoch: 1n },
    columns,
  });
  await flusher.start(client);
  const aggregator = new Aggregator(columns);
  let position = 0n;
  let statements = 0;
  const start = performance.now();
  for (let first = 1; first <= ROWS; first += BATCH) {
    for (let id = first; id < first + BATCH; id++) aggregator.add(operation(shape, 'inc', 1, id));
    const generation = aggregator.take();
    position += BigInt(generation.operations);
    statements += (await flusher.flush(generation, position)).statements;
  }
  const setRate = ROWS / ((performance.now() - start) / 1000);
  console.log(`flush of ${BATCH} rows: ${setRate.toFixed(0)} rows/s in ${statements} statements`);

  const SINGLES = 5000;
  const startSingle = performance.now();
  await client.query('BEGIN');
  for (let id = 1; id <= SINGLES; id++) {
    await client.query({ name: 'single', text: 'UPDATE t SET n = n + $1 WHERE id = $2', values: [1, id] });
  }
  await client.query('COMMIT');
  const singleRate = SINGLES / ((performance.now() - startSingle) / 1000);
  console.log(`one prepared UPDATE per row, one transaction: ${singleRate.toFixed(0)} rows/s`);
  console.log(`ratio: ${(setRate / singleRate).toFixed(1)}`);
}
