import { createDatabase, startRedisCluster } from '@zmsg/testbed';
import { expect, inject, onTestFinished, test } from 'vitest';
import { auditFleet } from '../dist/audit/index.js';
import { freshPrefix, open, statements } from './open-engine.js';

test('on a cluster keys are drawn from all masters, and a stale copy is found whatever its slot', async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.destroy());
  const config = {
    postgresDsn: await createDatabase(inject('postgresPort')),
    redisAddr: cluster.addrs,
    cachePrefix: freshPrefix(),
    delayBackend: 'postgres',
    bloomEnabled: false,
  } as const;
  const { zm } = await open(config);
  const keys = Array.from({ length: 30 }, (_, n) => `key_${n}`);
  for (const key of keys) await zm.cacheAndStore(key, Buffer.from('old'));
  const short = { config, settleMs: 20, followMs: 100, boundMs: 1, timeoutMs: 20_000 };
  const sampled = await auditFleet({ ...short, samples: 300, samplingMs: 60_000, rate: 10_000 });
  expect(sampled).toMatchObject({ isConsistent: true, stale: 0, unloaded: 0 });
  expect(sampled.l2.compared).toBe(sampled.sampled);
  const psql = statements(config.postgresDsn);
  await psql(`UPDATE zmsg_data SET data = 'new' WHERE id = ANY($1)`, [keys]);
  const report = await auditFleet({ ...short, keys, samples: 0 });
  expect(report).toMatchObject({ isConsistent: false, compared: 60, consistent: 0, stale: 60 });
});
