import { type PostgresServer, startPostgres } from '@zmsg/testbed';
import { expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../dist/index.js';
import { connect, like, likesOf, openDatabase, openShards, readLikes } from './shard-fixture.js';

async function ownServer(): Promise<PostgresServer> {
  const server = await startPostgres({ settings: ['fsync=off'] });
  onTestFinished(() => server.destroy());
  return server;
}

test.each(['fast', 'immediate'] as const)(
  'a %s stop of PostgreSQL under load loses nothing and doubles nothing',
  async (mode) => {
    const server = await ownServer();
    const { dsn, client } = await openDatabase(await server.createDatabase());
    await client.query(`INSERT INTO posts (id) SELECT 'p' || i FROM generate_series(0, 49) AS g(i)`);
    const { shards, event } = await openShards(dsn, { shards: 4, batchSize: 5, batchIntervalMs: 5 });
    let submitted = 0;
    let isOver = false;
    const load = async () => {
      while (!isOver) {
        const count = 200;
        await Promise.all(
          Array.from({ length: count }, (_, i) => shards.submit(like(`p${(submitted + i) % 50}`))),
        );
        submitted += count;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const loading = load();
    for (let stop = 0; stop < 3; stop++) {
      await event('flush:transaction:committed');
      await server.stop(mode);
      await event('flush:transaction:failed');
      await server.start();
    }
    isOver = true;
    await loading;
    await shards.flush();
    const after = await connect(dsn);
    const { rows } = await after.query('SELECT sum(likes)::text AS likes FROM posts');
    await after.end();
    expect(rows[0].likes).toBe(String(submitted));
    expect(shards.stats()).toMatchObject({ applied: submitted, pendingOperations: 0 });
  },
);

test('a lost answer to COMMIT is neither lost nor doubled', async () => {
  const server = await ownServer();
  const { dsn, client } = await openDatabase(await server.createDatabase());
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { shards: 1, batchSize: 1 });
  const killer = await connect(dsn);
  const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'zmsg shard%'`;
  let submitted = 0;
  for (let round = 0; round < 60; round++) {
    const taken = shards.submit(like('a'));
    const killed = killer.query(kill);
    await taken;
    submitted += 1;
    await killed;
  }
  await shards.flush();
  expect(await likesOf(killer, 'a')).toBe(String(submitted));
  await killer.end();
});

test('with the database down writes are taken, reads reject in bounded time, a flush waits', async () => {
  const server = await ownServer();
  const { dsn, client } = await openDatabase(await server.createDatabase());
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards, event } = await openShards(dsn, { shards: 1 });
  await server.stop('fast');
  await shards.submit(like('a')); // the column is not even described yet
  await event('flush:transaction:failed');
  await expect(shards.read(readLikes('a'))).rejects.toBeInstanceOf(StoreError);
  await expect(shards.flush({ signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  const flushed = shards.flush();
  await shards.submit(like('a'));
  await server.start();
  await flushed;
  await shards.flush();
  const after = await connect(dsn);
  expect(await likesOf(after, 'a')).toBe('2');
  await after.end();
}, 60_000);
