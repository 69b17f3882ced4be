import { expect, test } from 'vitest';
import { like, openDatabase, openShards } from './shard-fixture.js';

test('one connection for all shards is kept while nobody else wants it, and handed on when somebody does', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id, likes) SELECT 'p' || n, 0 FROM generate_series(1, 40) n`);
  const { shards } = await openShards(dsn, {
    shards: 4,
    store: { connectionString: dsn, maxConnections: 1, maxLifetimeMs: 300_000, singleSession: false },
  });
  const sessions = async (): Promise<number[]> => {
    const text = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'zmsg shard%'`;
    return (await client.query<{ pid: number }>(text)).rows.map(({ pid }) => pid);
  };
  const flushOne = async () => {
    await shards.submit(like('p1', { op: 'inc', operand: 1 }));
    await shards.flush();
  };
  await flushOne();
  const first = await sessions();
  for (let n = 0; n < 5; n++) await flushOne();
  expect(first).toHaveLength(1);
  expect(await sessions()).toEqual(first);

  for (let round = 0; round < 3; round++) {
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => shards.submit(like(`p${n + 1}`, { op: 'inc', operand: 1 }))),
    );
    await shards.flush();
    expect((await sessions()).length).toBeLessThanOrEqual(1);
  }
  const { rows } = await client.query('SELECT sum(likes)::int AS likes FROM posts');
  expect(rows).toEqual([{ likes: 6 + 3 * 40 }]);
  await expect.poll(sessions, { timeout: 10_000 }).toEqual([]);
});
