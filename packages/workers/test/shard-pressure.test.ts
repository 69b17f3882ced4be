import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { BackpressureError } from '../dist/index.js';
import { connect, content, like, likesOf, openDatabase, openShards, put } from './shard-fixture.js';

async function lockedDatabase() {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const unlock = async () => {
    await blocker.query('COMMIT');
    await blocker.end();
  };
  return { dsn, client, unlock };
}

test('values far larger than the ring arrive whole and in order', async () => {
  const { dsn, client } = await openDatabase();
  const { shards } = await openShards(dsn, { shards: 1, ringBytes: 4096 });
  const large = randomBytes(3_000_000);
  const submitted = [
    shards.submit(put('k', Buffer.from('first'))),
    shards.submit(put('k', large)),
    shards.submit(content('INSERT INTO posts (id, note) VALUES ($1, $2)', ['n', 'ü'.repeat(100_000)], 'n')),
    shards.submit(like('n', { batchKey: 'n' })),
    shards.submit(put('l', large.subarray(0, 5000))),
  ];
  await shards.flush();
  await Promise.all(submitted);
  const { rows } = await client.query('SELECT data FROM zmsg_data ORDER BY id');
  expect((rows[0].data as Buffer).equals(large)).toBe(true);
  expect((rows[1].data as Buffer).equals(large.subarray(0, 5000))).toBe(true);
  const { rows: posts } = await client.query('SELECT length(note) AS n, likes::int FROM posts');
  expect(posts).toEqual([{ n: 100_000, likes: 1 }]);
});

test('a full ring makes submits wait, in their order', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { shards: 1, ringBytes: 1024 });
  const order: number[] = [];
  const submitted: Promise<unknown>[] = [];
  for (let i = 0; i < 2000; i++) {
    const op = i % 2 === 0 ? ({ op: 'mul', operand: -1 } as const) : ({ op: 'inc', operand: i } as const);
    submitted.push(shards.submit(like('a', op)).then(() => order.push(i)));
  }
  await Promise.all(submitted);
  expect(order).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  await shards.flush();
  let expected = 0;
  for (let i = 0; i < 2000; i++) expected = i % 2 === 0 ? -expected : expected + i;
  expect(await likesOf(client, 'a')).toBe(String(expected));
});

test('what is not committed is bounded in bytes, too; a value beyond the bound goes alone', async () => {
  const { dsn, client, unlock } = await lockedDatabase();
  const { shards } = await openShards(dsn, { shards: 2, pendingMaxBytes: 65_536, onFull: 'reject' });
  await shards.submit(like('a')); // keeps its flush, and with it everything of its shard, from ending
  const large = Buffer.alloc(40_000);
  const taken = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => shards.submit(put(`k${i}`, large))),
  );
  expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const outcome of taken) {
    if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(BackpressureError);
  }
  expect(shards.stats().pendingBytes).toBeGreaterThan(40_000);
  await unlock();
  await shards.flush();
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, pendingBytes: 0 });
  await shards.submit(put('huge', Buffer.alloc(200_000)));
  await shards.flush();
  const { rows } = await client.query(
    'SELECT count(*)::int AS n, max(length(data)) AS longest FROM zmsg_data',
  );
  expect(rows).toEqual([{ n: 2, longest: 200_000 }]);
});

test('operations that are not committed are bounded, and one that waits is told by a flush', async () => {
  const { dsn, client, unlock } = await lockedDatabase();
  const { shards } = await openShards(dsn, { shards: 2, pendingMax: 10 });
  await Promise.all(Array.from({ length: 10 }, () => shards.submit(like('a'))));
  let isTaken = false;
  const waiting = shards.submit(like('a')).then(() => {
    isTaken = true;
  });
  await client.query('SELECT pg_sleep(0.1)');
  expect(isTaken).toBe(false);
  expect(shards.stats().pendingOperations).toBe(10);
  await unlock();
  await waiting; // nobody called flush(): what waits makes the shard flush
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('11');
});

test('with onFull "reject" a write without room rejects, and nothing is written', async () => {
  const { dsn, client, unlock } = await lockedDatabase();
  const { shards } = await openShards(dsn, { shards: 2, pendingMax: 10, onFull: 'reject' });
  const outcomes = await Promise.allSettled(Array.from({ length: 25 }, () => shards.submit(like('a'))));
  const rejected = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(rejected).toHaveLength(15);
  for (const { reason } of rejected) expect(reason).toBeInstanceOf(BackpressureError);
  await unlock();
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('10');
  await shards.submit(like('a'));
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('11');
});

test('with onFull "reject" a full ring rejects too', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { shards: 1, ringBytes: 1024, onFull: 'reject' });
  const outcomes = await Promise.allSettled(Array.from({ length: 500 }, () => shards.submit(like('a'))));
  const taken = outcomes.filter((outcome) => outcome.status === 'fulfilled').length;
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(500);
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe(String(taken));
});

test('a submit aborted while it waits for room rejects and is not written; later ones are', async () => {
  const { dsn, client, unlock } = await lockedDatabase();
  const { shards } = await openShards(dsn, { shards: 1, pendingMax: 2 });
  await Promise.all([shards.submit(like('a')), shards.submit(like('a'))]);
  const controller = new AbortController();
  const reason = new Error('enough');
  const aborted = shards.submit(like('a', { operand: 1000 }), { signal: controller.signal });
  // A shape of its own: its definition must reach the shard although the first use of it is aborted.
  const shaped = { table: 'public.posts', signal: controller.signal };
  const abortedToo = shards.submit(like('a', { table: shaped.table, operand: 1000 }), {
    signal: shaped.signal,
  });
  const later = [shards.submit(like('a')), shards.submit(like('a', { table: shaped.table }))];
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  await expect(abortedToo).rejects.toBe(reason);
  await expect(shards.submit(like('a'), { signal: controller.signal })).rejects.toBe(reason);
  await unlock();
  await Promise.all(later);
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('4');
  expect(shards.stats().pendingOperations).toBe(0);
});
