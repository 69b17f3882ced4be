import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { sql, ZMsg } from '../dist/index.js';
import { verifyNode } from '../dist/verify/index.js';
import { freshDir } from './open-engine.js';
import { gateTo, LEDGER, like, VerifiedNode } from './verify-fixture.js';

test('a node under load that keeps a ledger is never called wrong', async () => {
  const node = await VerifiedNode.create();
  const { dsn, dataDir, psql } = node;
  const zm = await ZMsg.open({
    postgresDsn: dsn,
    dataDir,
    batchShards: 2,
    batchInterval: '20ms',
    logLevel: 'error',
  });
  onTestFinished(() => zm.close().catch(() => {}));
  for (let i = 0; i < 10; i++) await node.acknowledge(`p${i}`, 0, 0);
  let isDone = false;
  const work = (async () => {
    while (!isDone) {
      await psql('UPDATE ledger SET attempted = attempted + 100');
      const calls = Array.from({ length: 1000 }, (_, i) =>
        zm.cacheAndPeriodicStore(`k${i}`, null, like(`p${i % 10}`)),
      );
      await Promise.all(calls);
      await psql('UPDATE ledger SET acknowledged = acknowledged + 100');
    }
  })();
  try {
    for (let i = 0; i < 20; i++) {
      const found = await node.verify('ledger');
      expect(found).toMatchObject({
        isOk: true,
        runningPid: process.pid,
        ledger: { rows: 10, balanced: 10 },
      });
    }
  } finally {
    isDone = true;
    await work;
  }
  await zm.close();
  const [row] = await psql(
    'SELECT sum(acknowledged)::text AS acknowledged, (SELECT sum(likes)::text FROM posts) AS likes FROM ledger',
  );
  expect(row?.likes).toBe(row?.acknowledged);
  expect(await node.verify('ledger')).toMatchObject({ isOk: true, runningPid: undefined });
});

test('what is acknowledged while verify looks is neither missing nor double', async () => {
  const node = await VerifiedNode.create();
  const shards = await node.start();
  await node.acknowledge('p0', 0);
  const likeIt = async (times: number) => {
    await Promise.all(Array.from({ length: times }, () => shards.submit(like('p0'))));
    await node.psql('UPDATE ledger SET acknowledged = acknowledged + $1', [times]);
  };
  await likeIt(2);
  const [gate, lock] = [await gateTo(node.dsn), await node.lockOperations()];
  const { dataDir } = node;
  const found = verifyNode({ dataDir, config: { postgresDsn: gate.dsn }, env: {}, ledger: 'ledger' });
  await gate.knocked;
  await likeIt(5); // after the first look at the log, before the database
  gate.open();
  await lock.waited();
  await likeIt(3); // after the database, before the second look
  await shards.flush(); // what this applies is pending for the moment that verify looks at
  await lock.release();
  expect(await found).toMatchObject({ isOk: true, log: { pending: 10 }, ledger: { balanced: 1 } });
});

test('a log that is flushed and deleted while verify looks has no gap', async () => {
  const node = await VerifiedNode.create();
  const shards = await node.start();
  const likeIt = (times: number) =>
    Promise.all(Array.from({ length: times }, () => shards.submit(like('p0'))));
  await likeIt(300);
  await shards.flush();
  const lock = await node.lockOperations();
  const found = node.verify();
  await lock.waited();
  for (let round = 0; round < 3; round++) await likeIt(300);
  await shards.flush();
  await likeIt(1);
  await lock.release();
  expect(await found).toMatchObject({ isOk: true, problems: [], log: { pending: 1 } });
});

test('the embedded PostgreSQL is verified when its node is not running, and never made', async () => {
  const dataDir = freshDir();
  const verify = (ledger?: string) => verifyNode({ dataDir, config: { logLevel: 'error' }, env: {}, ledger });
  await expect(verify()).rejects.toMatchObject({
    code: 'CONFIG',
    message: /no postgres_dsn, and no embedded/,
  });
  expect(readdirSync(dataDir)).toEqual([]);
  const zm = await ZMsg.open({ dataDir, logLevel: 'error', batchShards: 2 });
  onTestFinished(() => zm.close().catch(() => {}));
  await zm.exec(sql('CREATE TABLE posts (id text PRIMARY KEY, likes int)'));
  await zm.exec(sql(`INSERT INTO posts VALUES ('p1', 0)`));
  await zm.exec(sql(LEDGER));
  await zm.exec(sql(`INSERT INTO ledger VALUES ('posts', 'likes', 'id', 'p1', 2)`));
  await zm.cacheAndPeriodicStore('k', null, like('p1', 2));
  await expect(verify()).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringMatching(/^process \d+ has the embedded PostgreSQL .* stop it, then verify/),
  });
  await zm.close();
  expect(await verify('ledger')).toMatchObject({ isOk: true, ledger: { balanced: 1 } });
});
