import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogError, recoverLog, type ShardLogOptions } from '../dist/index.js';
import { crashAfter, optionsOf } from './crash.js';
import { content, freshLogDir, like, likesOf, openDatabase, openShards, put, tag } from './shard-fixture.js';

function logIn(dir: string, over: Partial<ShardLogOptions> = {}): ShardLogOptions {
  return { dir, durability: 'always', syncIntervalMs: 600_000, ...over };
}

function likes(count: number, rows = 10) {
  return Array.from({ length: count }, (_, i) => like(`p${i % rows}`));
}

function segmentsIn(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true }) as string[];
  return names.filter((name) => name.endsWith('.seg')).map((name) => join(dir, name));
}

test.each(['always', 'interval'] as const)(
  'what was acknowledged at level %s is applied after a crash, once',
  async (durability) => {
    const { dsn, client } = await openDatabase();
    await client.query(
      `INSERT INTO posts (id, tags) SELECT 'p' || i, '[]' FROM generate_series(0, 9) AS g(i)`,
    );
    const log = logIn(freshLogDir(), { durability });
    const others = [
      tag('p1', { operand: '"x"' }),
      put('key', Buffer.from('value')),
      content('INSERT INTO posts (id) VALUES ($1)', ['new']),
      put('long', Buffer.alloc(100_000, 7)),
    ];
    const steps = [{ submit: likes(10) }, { flush: true }, { submit: likes(1000) }, { submit: others }];
    await crashAfter(steps, optionsOf(dsn, log));

    const after = await openShards(dsn, { log });
    expect(after.shards.stats()).toMatchObject({ pendingOperations: 1004, log: { recovered: 1004 } });
    expect(after.shards.stats().atRisk.unflushedOperations).toBe(1004);
    await after.shards.submit(like('p0'));
    await after.shards.flush();
    const { rows } = await client.query(`SELECT id, likes::int, tags FROM posts WHERE likes > 0 ORDER BY id`);
    expect(rows.map((row) => row.likes)).toEqual([102, ...Array(9).fill(101)]);
    expect(rows[1].tags).toEqual(['x']);
    expect((await client.query(`SELECT count(*)::int AS n FROM posts WHERE id = 'new'`)).rows[0].n).toBe(1);
    const stored = await client.query(`SELECT id, length(data) AS n FROM zmsg_data ORDER BY id`);
    expect(stored.rows).toEqual([
      { id: 'key', n: 5 },
      { id: 'long', n: 100_000 },
    ]);
    await after.shards.close();
    // An orderly end leaves nothing behind.
    expect(readdirSync(log.dir)).toEqual([]);
    expect((await client.query('SELECT count(*)::int AS n FROM zmsg_progress')).rows[0].n).toBe(0);
  },
);

test('what was flushed before a crash is not applied again, and crashes may follow each other', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = logIn(freshLogDir(), { segmentBytes: 8192 });
  let submitted = 0;
  const some = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ submit: [like('a', { batchKey: `key ${i % 5}` })] }));
  for (let round = 0; round < 6; round++) {
    const steps = [...some(50), { flush: round % 2 === 0 }, ...some(20)];
    submitted += 70;
    await crashAfter(steps, optionsOf(dsn, log));
  }
  expect(await recoverLog({ ...optionsOf(dsn, log), onEvent: () => {} })).toBeGreaterThan(0);
  expect(await likesOf(client, 'a')).toBe(String(submitted));
  expect(readdirSync(log.dir)).toEqual([]);
});

test('at level off nothing is written; a single call may ask for more', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = logIn(freshLogDir(), { durability: 'off' });
  const off = { submit: Array.from({ length: 10 }, () => like('a')) };
  await crashAfter([off], optionsOf(dsn, log, { shards: 1 }));
  expect(segmentsIn(log.dir)).toEqual([]);
  const always = { submit: [like('a', { operand: 100 })], durability: 'always' as const };
  const { stats } = await crashAfter([off, always, off], optionsOf(dsn, log, { shards: 1 }));
  expect(segmentsIn(log.dir)).toHaveLength(1);
  expect(stats?.atRisk).toMatchObject({
    volatileOperations: 20,
    unsyncedOperations: 20,
    unflushedOperations: 21,
  });
  const after = await openShards(dsn, { log, shards: 1 });
  await after.shards.flush();
  expect(await likesOf(client, 'a')).toBe('100');
  // Positions that went without a log are not given again.
  await after.shards.submit(like('a'), { durability: 'always' });
  await after.shards.flush();
  expect(await likesOf(client, 'a')).toBe('101');
});

test('an unknown durability is refused', async () => {
  const { dsn } = await openDatabase();
  const { shards } = await openShards(dsn);
  await expect(shards.submit(like('a'), { durability: 'never' as never })).rejects.toMatchObject({
    code: 'INVALID_VALUE',
  });
});

test('durable resolves with the sync at level interval, with the commit at level off', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = logIn(freshLogDir(), { durability: 'interval', syncIntervalMs: 5 });
  const { shards } = await openShards(dsn, { log, shards: 1 });
  const interval = await shards.submit(like('a'));
  await interval.durable;
  expect(shards.stats().atRisk).toMatchObject({ unsyncedOperations: 0, unflushedOperations: 1 });
  const always = await shards.submit(like('a'), { durability: 'always' });
  await always.durable;
  expect(await likesOf(client, 'a')).toBe('0');
  const off = await shards.submit(like('a'), { durability: 'off' });
  let isDurable = false;
  void off.durable.then(() => (isDurable = true));
  await shards.submit(like('a'), { durability: 'always' });
  expect(isDurable).toBe(false);
  await shards.flush();
  await off.durable;
  expect(shards.stats().atRisk).toEqual({
    volatileOperations: 0,
    unsyncedOperations: 0,
    unflushedOperations: 0,
    oldestMs: 0,
  });
});

test('another number of shards applies the old log first', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) SELECT 'p' || i FROM generate_series(0, 49) AS g(i)`);
  const log = logIn(freshLogDir());
  await crashAfter([{ submit: likes(500, 50) }], optionsOf(dsn, log, { shards: 5 }));
  const after = await openShards(dsn, { log, shards: 2 });
  const { rows } = await client.query('SELECT DISTINCT likes::int FROM posts');
  expect(rows).toEqual([{ likes: 10 }]);
  await Promise.all(likes(50, 50).map((task) => after.shards.submit(task)));
  await after.shards.close();
  expect((await client.query('SELECT DISTINCT likes::int FROM posts')).rows).toEqual([{ likes: 11 }]);
});

test('a log of another database is refused, and nothing of it is lost', async () => {
  const [here, elsewhere] = [await openDatabase(), await openDatabase()];
  await here.client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = logIn(freshLogDir());
  await crashAfter([{ submit: [like('a')] }], optionsOf(here.dsn, log));
  await expect(openShards(elsewhere.dsn, { log })).rejects.toMatchObject({ code: 'LOG', file: log.dir });
  const after = await openShards(here.dsn, { log });
  await after.shards.flush();
  expect(await likesOf(here.client, 'a')).toBe('1');
});

test('a mark that stands before the begin of the log stops the start, with the gap', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = logIn(freshLogDir(), { segmentBytes: 8192 });
  const steps = Array.from({ length: 100 }, () => ({ submit: [like('a')] }));
  await crashAfter([...steps, { flush: true }, ...steps], optionsOf(dsn, log, { shards: 1 }));
  // As a database that was restored from an old backup.
  await client.query('UPDATE zmsg_progress SET position = 3');
  const refused = openShards(dsn, { log, shards: 1 });
  await expect(refused).rejects.toBeInstanceOf(LogError);
  await expect(refused).rejects.toThrow(/operations 4 to \d+ are not in the log/);
});

test('a torn tail is cut and reported; a damaged middle stops the start and names the place', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = logIn(freshLogDir());
  const steps = Array.from({ length: 3 }, () => ({ submit: [like('a')] }));
  await crashAfter(steps, optionsOf(dsn, log, { shards: 1 }));
  const [file] = segmentsIn(log.dir) as [string];
  const whole = readFileSync(file);
  const flipped = Buffer.from(whole);
  const at = whole.indexOf('likes');
  flipped[at] = (flipped[at] as number) ^ 4;
  writeFileSync(file, flipped);
  await expect(openShards(dsn, { log, shards: 1 })).rejects.toMatchObject({ code: 'LOG', file });
  writeFileSync(file, whole);
  const end = whole.findLastIndex((byte) => byte !== 0) + 1;
  truncateSync(file, end - 64);
  const after = await openShards(dsn, { log, shards: 1 });
  expect(await after.event('log:tail:cut')).toMatchObject({ shard: 0, file });
  await after.shards.flush();
  expect(await likesOf(client, 'a')).toBe('2');
});

test('segments behind the progress mark are deleted while the shards run', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = logIn(freshLogDir(), { segmentBytes: 8192 });
  const { shards } = await openShards(dsn, { log, shards: 1 });
  for (let i = 0; i < 300; i++) await shards.submit(like('a'));
  expect(segmentsIn(log.dir).length).toBeGreaterThan(4);
  await shards.flush();
  expect(segmentsIn(log.dir)).toHaveLength(1);
  const [left] = segmentsIn(log.dir) as [string];
  expect(shards.stats().log.bytes).toBe(statSync(left).size);
});
