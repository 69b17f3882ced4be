import { expect, test } from 'vitest';
import { InvalidValueError, StoreError } from '../dist/index.js';
import {
  connect,
  content,
  extra,
  like,
  likesOf,
  openDatabase,
  openShards,
  put,
  readLikes,
  tag,
} from './shard-fixture.js';

test('a failed flush keeps its groups and writes them when the store takes them again', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a'), ('b')`);
  await client.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE 'disk full' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER fail BEFORE UPDATE ON posts FOR EACH ROW WHEN (NEW.likes >= 5) EXECUTE FUNCTION fail()`);
  const { shards, event } = await openShards(dsn, { shards: 1 });
  const receipts = await Promise.all([shards.submit(like('a', { operand: 7 })), shards.submit(like('b'))]);
  const flushed = shards.flush();
  const failed = await event('flush:transaction:failed');
  expect(failed.error).toBeInstanceOf(StoreError);
  expect((failed.error as StoreError).sqlState).toBe('53100');
  // What comes now belongs to a newer generation, which must not overtake.
  await shards.submit(like('b', { op: 'mul', operand: 10 }));
  expect((await event('flush:transaction:failed')).attempt).toBe(2);
  expect(await likesOf(client, 'b')).toBe('0');
  expect(shards.stats()).toMatchObject({ operations: 3, applied: 0, pendingOperations: 3, flushes: 0 });

  await client.query('DROP TRIGGER fail ON posts');
  await flushed;
  await Promise.all(receipts.map((receipt) => receipt.applied));
  await shards.flush();
  expect([await likesOf(client, 'a'), await likesOf(client, 'b')]).toEqual(['7', '10']);
  const stats = shards.stats();
  expect(stats).toMatchObject({
    operations: 3,
    applied: 3,
    pendingOperations: 0,
    pendingGroups: 0,
    flushes: 2,
  });
  expect(stats.flushFailures).toBeGreaterThanOrEqual(2);
});

test('one flush is one transaction, whatever it writes', async () => {
  const { dsn, client } = await openDatabase();
  await client.query('CREATE TABLE transactions (id xid8 PRIMARY KEY)');
  await client.query(`
    CREATE FUNCTION note_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO transactions VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING; RETURN NULL; END $$`);
  for (const name of ['posts', 'zmsg_data']) {
    await client.query(
      `CREATE TRIGGER note AFTER INSERT OR UPDATE ON ${name} EXECUTE FUNCTION note_transaction()`,
    );
  }
  const { shards } = await openShards(dsn, { shards: 1 });
  for (let i = 0; i < 50; i++) {
    await shards.submit(content('INSERT INTO posts (id) VALUES ($1)', [`post_${i}`], `post_${i}`));
    await shards.submit(like(`post_${i}`, { batchKey: `post_${i}` }));
    await shards.submit(tag(`post_${i}`, { batchKey: `post_${i}` }));
    await shards.submit(extra(`post_${i}`, { batchKey: `post_${i}` }));
    await shards.submit(put(`post_${i}`, Buffer.from('x')));
  }
  await shards.flush();
  const { rows } = await client.query(
    `SELECT count(*)::int AS posts, sum(likes)::int AS likes, (SELECT count(*)::int FROM transactions) AS transactions,
            (SELECT count(*)::int FROM zmsg_data) AS data FROM posts`,
  );
  expect(rows[0]).toEqual({ posts: 50, likes: 50, transactions: 1, data: 50 });
});

test('a shard flushes by itself at its number of groups, however many operations a group takes', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) SELECT 'p' || i FROM generate_series(1, 10) AS g(i)`);
  const { shards, event, events } = await openShards(dsn, { shards: 1, batchSize: 10 });
  for (let round = 0; round < 100; round++) {
    for (let i = 1; i <= 9; i++) await shards.submit(like(`p${i}`));
  }
  expect(events).toEqual([]);
  await shards.submit(like('p10'));
  expect(await event('flush:transaction:committed')).toMatchObject({ groups: 10, operations: 901 });
  expect(await likesOf(client, 'p9')).toBe('100');
});

test('a shard flushes by itself when the oldest operation has waited long enough', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { batchIntervalMs: 50 });
  const started = performance.now();
  await (await shards.submit(like('a'))).applied;
  expect(performance.now() - started).toBeGreaterThanOrEqual(49);
  expect(await likesOf(client, 'a')).toBe('1');
});

test('a receipt says when its write is committed', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn);
  const receipt = await shards.submit(like('a'));
  const { applied } = receipt;
  await shards.flush();
  await applied;
  await receipt.applied;
  expect(await likesOf(client, 'a')).toBe('1');
});

test('flush with nothing pending resolves, and opens no connection', async () => {
  const { dsn, client } = await openDatabase();
  const { shards } = await openShards(dsn);
  await shards.flush();
  const sessions = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'zmsg shard%' AND datname = current_database()`;
  expect((await client.query(sessions)).rows[0].n).toBe(0);
  expect(shards.stats().flushFailures).toBe(0);
});

test('an aborted flush rejects with the reason, and the writes still happen', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const { shards } = await openShards(dsn);
  await shards.submit(like('a'));
  const controller = new AbortController();
  const flushed = shards.flush({ signal: controller.signal });
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(flushed).rejects.toBe(reason);
  await expect(shards.flush({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await shards.submit(like('a'));
  await blocker.query('COMMIT');
  await blocker.end();
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('2');
});

test('a read sees what its thread submitted before, flushed or not', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id, likes) VALUES ('a', 40)`);
  const { shards, events } = await openShards(dsn);
  for (let i = 0; i < 2; i++) void shards.submit(like('a'));
  expect(await shards.read(readLikes('a'))).toEqual({ value: 42 });
  expect(await likesOf(client, 'a')).toBe('40');
  await shards.flush();
  expect(await shards.read(readLikes('a'))).toEqual({ value: 42 });
  expect(await shards.read(readLikes('nobody'))).toBeUndefined();
  expect(events.filter((event) => event.type === 'flush:transaction:committed')).toHaveLength(1);
});

test('a read that what is pending makes impossible is answered after a flush', async () => {
  const { dsn, client } = await openDatabase();
  const { shards } = await openShards(dsn);
  await shards.submit(like('new', { orInsert: { id: 'new' }, operand: 3 }));
  expect(await shards.read(readLikes('new'))).toEqual({ value: 3 });
  expect(await likesOf(client, 'new')).toBe('3');
});

test('a read of a table that does not exist rejects, and holds nothing up', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { shards: 1 });
  await expect(shards.read({ ...readLikes('a'), table: 'nowhere' })).rejects.toMatchObject({
    code: 'STORE',
    sqlState: '42P01',
  });
  await shards.submit(like('a'));
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('1');
});

test('tasks that match no row are counted and reported', async () => {
  const { dsn } = await openDatabase();
  const { shards, event } = await openShards(dsn);
  await shards.submit(like('nobody'));
  await shards.submit(like('nobody'));
  await shards.flush();
  expect(await event('flush:task:unmatched')).toMatchObject({
    table: 'posts',
    column: 'likes',
    where: 'id = ?',
    operations: 2,
  });
  expect(shards.stats().unmatched).toBe(2);
});

test('a task that PostgreSQL refuses for good is a dead letter and an event, and holds nothing up', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a'), ('b'), ('c')`);
  await client.query('ALTER TABLE posts ADD CONSTRAINT few CHECK (likes < 5)');
  const { shards, event } = await openShards(dsn, { shards: 1 });
  const receipts = [];
  for (const [id, operand] of [
    ['a', 7],
    ['b', 1],
    ['a', 2],
    ['c', 9],
  ] as const) {
    receipts.push(await shards.submit(like(id, { operand })));
  }
  await shards.flush();
  await Promise.all(receipts.map((receipt) => receipt.applied));
  const refused = await event('flush:task:refused');
  expect(refused).toMatchObject({
    shard: 0,
    table: 'posts',
    column: 'likes',
    sqlState: '23514',
    operations: 3,
    deadLetters: 2,
  });
  expect(refused.error).toBeInstanceOf(StoreError);
  expect(refused.error.message).toContain('few');
  expect(shards.stats()).toMatchObject({
    applied: 4,
    deadLetters: 2,
    flushFailures: 0,
    pendingOperations: 0,
  });
  expect([await likesOf(client, 'a'), await likesOf(client, 'b')]).toEqual(['0', '1']);
});

test('an operand that is no number is a dead letter, and everything else goes on', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards, event } = await openShards(dsn, { shards: 1 });
  await shards.submit(like('a', { operand: 'many' }));
  await shards.submit(like('a'));
  await shards.flush();
  expect(await event('shard:task:refused')).toMatchObject({ table: 'posts', column: 'likes' });
  expect(await event('flush:task:refused')).toMatchObject({ sqlState: undefined, deadLetters: 1 });
  expect(await likesOf(client, 'a')).toBe('1');
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, deadLetters: 1 });
  const { rows } = await client.query('SELECT kind, sqlstate, task FROM zmsg_dead_letters');
  expect(rows).toMatchObject([
    { kind: 'counter', sqlstate: null, task: { table: 'posts', change: 'inc many', statements: [] } },
  ]);
});

test('a value that cannot be written is refused before anything is', async () => {
  const { dsn } = await openDatabase();
  const { shards } = await openShards(dsn);
  await expect(shards.submit(content('SELECT $1', [() => 1]))).rejects.toBeInstanceOf(InvalidValueError);
  expect(shards.stats()).toMatchObject({ operations: 0, pendingOperations: 0 });
});

test('shards with one connection between them all get their turn', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) SELECT 'p' || i FROM generate_series(1, 100) AS g(i)`);
  const store = { connectionString: dsn, maxConnections: 1, maxLifetimeMs: 300_000, singleSession: false };
  const { shards } = await openShards(dsn, { shards: 4, store });
  for (let i = 1; i <= 100; i++) void shards.submit(like(`p${i}`));
  const sessions = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'zmsg shard%' AND datname = current_database()`;
  const flushed = shards.flush().then(() => 'flushed');
  for (;;) {
    expect((await client.query(sessions)).rows[0].n).toBeLessThanOrEqual(1);
    if ((await Promise.race([flushed, client.query('SELECT')])) === 'flushed') break;
  }
  expect((await client.query('SELECT sum(likes)::int AS n FROM posts')).rows[0].n).toBe(100);
});
