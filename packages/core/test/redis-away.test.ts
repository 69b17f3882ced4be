import { type RedisServer, startRedis } from '@zmsg/testbed';
import { expect, onTestFinished, test } from 'vitest';
import { freshDir, open } from './open-engine.js';

async function ownRedis(): Promise<RedisServer> {
  const redis = await startRedis();
  onTestFinished(() => redis.destroy());
  return redis;
}

test('reads and strong writes go on while Redis is away, and nothing stale comes back with it', async () => {
  const redis = await ownRedis();
  const { zm, psql, options } = await open({ redisAddr: redis.addr });
  await zm.cacheAndStore('k', Buffer.from('old'));
  redis.pause();
  const started = performance.now();
  await zm.cacheAndStore('k', Buffer.from('new'));
  await zm.cacheAndStore('other', Buffer.from('1'));
  await zm.del('other');
  expect((await zm.get('other'))?.toString()).toBe('1');
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(await psql(`SELECT data FROM zmsg_data WHERE id = 'k'`)).toEqual([{ data: Buffer.from('new') }]);
  expect(zm.stats().l2?.failedWrites).toBeGreaterThan(0);
  redis.resume();
  await expect.poll(() => zm.stats().l2?.dirtyKeys, { timeout: 20_000 }).toBe(0);
  const second = await open({ ...options, dataDir: freshDir() });
  expect((await second.zm.get('k'))?.toString()).toBe('new');
});

test('an engine opens while Redis is away and uses it when it comes', async () => {
  const redis = await ownRedis();
  await redis.stop('SIGKILL');
  const { zm } = await open({ redisAddr: redis.addr });
  await zm.cacheAndStore('k', Buffer.from('v'));
  expect((await zm.get('k'))?.toString()).toBe('v');
  await redis.start();
  await expect
    .poll(
      async () => {
        await zm.cacheOnly('c', Buffer.from('v'));
        return zm.stats().l2?.dirtyKeys;
      },
      { timeout: 20_000 },
    )
    .toBe(0);
});

test('when more keys changed than are remembered, nothing of the old cache is believed', async () => {
  const redis = await ownRedis();
  const { zm, options } = await open({ redisAddr: redis.addr });
  await zm.cacheAndStore('kept', Buffer.from('old'));
  await redis.stop('SIGKILL');
  // The value of `kept` in Redis is gone with the server; what counts is that the overflow heals.
  for (let at = 0; at < 100_100; at += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => zm.del(`gone_${at + n}`)));
  }
  await redis.start();
  await expect.poll(() => zm.stats().l2?.distrusted, { timeout: 20_000 }).toBe(false);
  await zm.cacheAndStore('kept', Buffer.from('new'));
  const second = await open({ ...options, dataDir: freshDir() });
  expect((await second.zm.get('kept'))?.toString()).toBe('new');
  expect(second.zm.stats().l2?.hits).toBe(1);
});
