import { createDatabase } from '@zmsg/testbed';
import { expect, inject, test } from 'vitest';
import { RecentWrites } from '../dist/read/recent-writes.js';
import { freshDir, open, statements } from './open-engine.js';

test('a key is remembered for at least ten seconds after its last write, and at most for twenty', () => {
  let now = 0;
  const recent = new RecentWrites(() => now);
  now = 9_999;
  recent.add('k');
  now = 19_998;
  expect(recent.has('k')).toBe(true);
  expect(recent.has('other')).toBe(false);
  now = 29_999;
  expect(recent.has('k')).toBe(false);
  recent.addAll();
  expect(recent.has('other')).toBe(true);
  now = 40_000;
  expect(recent.has('other')).toBe(false);
});

test('more keys than are remembered count as all', () => {
  const recent = new RecentWrites(() => 0);
  for (let n = 0; n <= 100_000; n++) recent.add(`k${n}`);
  expect(recent.has('never written')).toBe(true);
});

test('what another node has just written is not loaded from a replica that lags', async () => {
  const replica = await createDatabase(inject('postgresPort'));
  await statements(replica)('CREATE TABLE zmsg_data (id text PRIMARY KEY, data bytea)');
  await statements(replica)(
    `INSERT INTO zmsg_data VALUES ('k', 'lagging'), ('gone', 'lagging'), ('far', 'lagging')`,
  );
  const a = await open({ redisAddr: inject('redisAddr'), batchShards: 1 });
  const b = await open({ ...a.options, postgresReadDsn: replica, dataDir: freshDir() });
  await a.zm.cacheAndStore('k', Buffer.from('new'));
  await a.zm.cacheAndStore('gone', Buffer.from('new'));
  await a.zm.delStore('gone');
  await a.zm.del('k'); // L2 does not know it, either
  await expect.poll(async () => (await b.zm.get('k'))?.toString(), { timeout: 30_000 }).toBe('new');
  await expect.poll(async () => (await b.zm.get('gone'))?.toString(), { timeout: 30_000 }).toBe(undefined);
});
