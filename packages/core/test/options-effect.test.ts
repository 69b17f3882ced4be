import { createDatabase } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { expect, inject, onTestFinished, test } from 'vitest';
import { counter, sql, type ZMsg } from '../dist/index.js';
import { freshPrefix, open, statements } from './open-engine.js';

/** What the settings do in an open engine; how they are read is tested with the options. */

const DATA = Buffer.from('value');

function redisClient(db = 0): Redis {
  const redis = new Redis(`redis://${inject('redisAddr')}/${db}`);
  onTestFinished(() => redis.disconnect());
  return redis;
}

test('postgres_read_dsn: loads come from there, writes and queries do not', async () => {
  const replica = await createDatabase(inject('postgresPort'));
  await statements(replica)('CREATE TABLE feeds (id text PRIMARY KEY, content text)');
  await statements(replica)(`INSERT INTO feeds VALUES ('feed_1', 'from the replica')`);
  const { zm, psql } = await open({ postgresReadDsn: replica });
  await psql(`INSERT INTO feeds (id, content) VALUES ('feed_1', 'from the primary')`);
  zm.loader('feed_', { table: 'feeds', key: 'id', column: 'content' });
  expect((await zm.get('feed_1'))?.toString()).toBe('from the replica');
  expect(await zm.query(sql('SELECT content FROM feeds'))).toEqual([{ content: 'from the primary' }]);
});

test('bloom_enabled: false lets every key pass', async () => {
  const off = await open({ bloomEnabled: false });
  expect(await off.zm.dbHit('absent')).toBe(true);
  expect(off.zm.stats().bloom).toBeUndefined();
  const on = await open();
  await expect.poll(() => on.zm.dbHit('absent'), { timeout: 10_000 }).toBe(false);
});

test('bloom_capacity and bloom_error_rate size the filter', async () => {
  const { zm } = await open({ bloomCapacity: 1_000, bloomErrorRate: 0.5 });
  await zm.announce(Array.from({ length: 1_000 }, (_, n) => `known_${n}`));
  expect(zm.stats().bloom).toMatchObject({ capacity: 1_000 });
  expect(zm.stats().bloom?.estimatedErrorRate).toBeGreaterThan(0.1);
});

test('redis_db and cache_prefix say where values lie in Redis', async () => {
  const cachePrefix = freshPrefix();
  const { zm } = await open({ redisAddr: inject('redisAddr'), redisDb: 3, cachePrefix });
  await zm.cacheOnly('k', DATA);
  const found = await redisClient(3).keys(`${cachePrefix}*k`);
  expect(found).toHaveLength(1);
  expect(await redisClient(0).exists(found[0] as string)).toBe(0);
});

test('redis_pool_size is the number of connections of L2', async () => {
  const redis = redisClient();
  const count = async () => String(await redis.client('LIST')).split('zmsg-l2').length - 1;
  const before = await count();
  await open({ redisAddr: inject('redisAddr'), redisPoolSize: 4 });
  await expect.poll(async () => (await count()) - before, { timeout: 10_000 }).toBe(4);
});

test('default_ttl is the life of a value whose call does not say, and of one that was loaded', async () => {
  const loaded = async (zm: ZMsg) => {
    await zm.cacheAndStore('loaded', DATA);
    await zm.del('loaded');
    expect(await zm.get('loaded')).toEqual(DATA);
  };
  const brief = await open({ defaultTtl: '300ms' });
  await brief.zm.cacheOnly('long', DATA, { ttl: '1h' });
  await brief.zm.cacheOnly('short', DATA);
  await loaded(brief.zm);
  const gone = () => [brief.zm.peek('short'), brief.zm.peek('loaded')];
  await expect.poll(gone, { timeout: 10_000 }).toEqual([undefined, undefined]);
  expect(brief.zm.peek('long')).toEqual(DATA);

  const { zm } = await open();
  await loaded(zm);
  await zm.cacheOnly('marker', DATA, { ttl: 100 });
  await expect.poll(() => zm.peek('marker'), { timeout: 10_000 }).toBeUndefined();
  expect(zm.peek('loaded')).toEqual(DATA);
});

test('l1_max_cost bounds L1, l1_num_counters take their share of it', async () => {
  const { zm } = await open({ l1MaxCost: 2 ** 20, l1NumCounters: 1_024 });
  for (let n = 0; n < 3_000; n++) await zm.cacheOnly(`k${n}`, Buffer.alloc(1_000));
  const few = zm.stats().l1;
  expect(few.maxBytes).toBe(2 ** 20);
  expect(few.evictions).toBeGreaterThan(0);
  const many = await open({ l1MaxCost: 2 ** 20, l1NumCounters: 2 ** 20 });
  for (let n = 0; n < 3_000; n++) await many.zm.cacheOnly(`k${n}`, Buffer.alloc(1_000));
  expect(many.zm.stats().l1.usedBytes).toBeLessThan(few.usedBytes);
});

test('batch_size flushes long before batch_interval, batch_interval without batch_size', async () => {
  const like = (id: number) =>
    counter('feed_meta', 'like_count')
      .inc(1)
      .where('id = ?', `f${id}`)
      .orInsert({ id: `f${id}` });
  const bySize = await open({ batchShards: 1, batchSize: 10, batchInterval: '1h' });
  const receipts = await Promise.all(
    Array.from({ length: 10 }, (_, n) => bySize.zm.cacheAndPeriodicStore('k', null, like(n))),
  );
  await Promise.all(receipts.map((receipt) => receipt.applied));
  const byTime = await open({ batchShards: 1, batchSize: 1_000, batchInterval: '50ms' });
  await (await byTime.zm.cacheAndPeriodicStore('k', null, like(1))).applied;
});

test('on_full: reject pushes back at pending_max, on_full: wait flushes and goes on', async () => {
  const like = counter('feed_meta', 'like_count').inc(1).where('id = ?', 'f').orInsert({ id: 'f' });
  const limits = { batchSize: 5, pendingMax: 5, batchInterval: '1h' } as const;
  const rejecting = await open({ ...limits, onFull: 'reject' });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => rejecting.zm.cacheAndPeriodicStore('k', null, like)),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused)
    expect(reason).toMatchObject({ name: 'BackpressureError', code: 'BACKPRESSURE' });
  await rejecting.zm.flush();
  expect(await rejecting.psql('SELECT like_count::int AS n FROM feed_meta')).toEqual([
    { n: 20 - refused.length },
  ]);

  const waiting = await open({ ...limits, onFull: 'wait' });
  await Promise.all(Array.from({ length: 20 }, () => waiting.zm.cacheAndPeriodicStore('k', null, like)));
  await waiting.zm.flush();
  expect(await waiting.psql('SELECT like_count::int AS n FROM feed_meta')).toEqual([{ n: 20 }]);
});

test('delay_backend: postgres keeps delayed writes there although Redis is configured', async () => {
  const { zm, psql } = await open({ redisAddr: inject('redisAddr'), delayBackend: 'postgres' });
  await zm.cacheAndDelayStore('k', DATA, undefined, { delay: '1h' });
  expect(await psql('SELECT count(*)::int AS n FROM zmsg_boss.job WHERE start_after > now()')).toEqual([
    { n: 1 },
  ]);
});

test('id_epoch is time zero of ids', async () => {
  const { zm } = await open({ idEpoch: '2025-06-01' });
  const id = zm.nextId('feed');
  expect(Math.abs(zm.parseId(id).timestampMs - Date.now())).toBeLessThan(60_000);
  const sinceEpoch = Number(BigInt(id.slice(5)) >> 22n);
  expect(Math.abs(sinceEpoch - (Date.now() - Date.parse('2025-06-01')))).toBeLessThan(60_000);
});
