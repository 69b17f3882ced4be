import { createDatabase } from '@zmsg/testbed';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Store } from '../dist/store/store.js';

async function openStore(): Promise<Store> {
  const store = new Store({
    connectionString: await createDatabase(inject('postgresPort')),
    maxOpen: 3,
    maxIdle: 1,
    maxLifetimeMs: 60_000,
    connectTimeoutMs: 5_000,
    onIdleError: () => {},
  });
  onTestFinished(() => store.close());
  return store;
}

test('a transaction in which a statement failed is never reported as committed', async () => {
  const store = await openStore();
  await store.exec('CREATE TABLE t (n int PRIMARY KEY)');
  const swallowing = store.transaction(async (session) => {
    await session.exec('INSERT INTO t VALUES (1)');
    await session.exec('INSERT INTO t VALUES (1)').catch(() => {});
  });
  await expect(swallowing).rejects.toMatchObject({ code: 'STORE', sqlState: '25P02' });
  expect((await store.exec('SELECT * FROM t')).rows).toEqual([]);
});

test('a task of one statement cannot smuggle in a second one', async () => {
  const store = await openStore();
  await expect(store.exec('SELECT 1; COMMIT', [])).rejects.toMatchObject({ sqlState: '42601' });
});

test('no more connections stay idle than the bound says', async () => {
  const store = await openStore();
  await Promise.all(Array.from({ length: 3 }, () => store.exec('SELECT pg_sleep(0.05)')));
  const count = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database()`;
  await expect.poll(async () => (await store.exec(count)).rows).toEqual([{ n: 1 }]);
});

test('the connections of one burst serve the next one', async () => {
  const store = await openStore();
  const burst = async () => {
    const select = 'SELECT pg_backend_pid() AS pid FROM pg_sleep(0.05)';
    const answers = await Promise.all(Array.from({ length: 3 }, () => store.exec<{ pid: number }>(select)));
    return answers.map(({ rows }) => rows[0]?.pid).sort();
  };
  const first = await burst();
  expect(await burst()).toEqual(first);
});

test('the outcome of a statement is unknown when the connection broke, and known when it was refused', async () => {
  const store = await openStore();
  const cut = await store
    .exec('SELECT pg_terminate_backend(pg_backend_pid())')
    .catch((error: unknown) => error);
  expect(cut).toMatchObject({ code: 'STORE', outcomeUnknown: true });
  const refused = await store.exec('SELECT 1/0').catch((error: unknown) => error);
  expect(refused).toMatchObject({ sqlState: '22012', outcomeUnknown: false });
  expect((await store.exec('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
});
