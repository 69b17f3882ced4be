import {
  createDatabase,
  type RedisServer,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { expect, inject, onTestFinished, test } from 'vitest';
import type { ZMsg } from '../dist/index.js';
import { openNodes } from './coherence-nodes.js';
import { freshPrefix, open } from './open-engine.js';

const PATIENT = { timeout: 40_000, interval: 10 };
const read = async (zm: ZMsg, key: string) => (await zm.get(key))?.toString();
const put = (zm: ZMsg, key: string, value: string) => zm.cacheAndStore(key, Buffer.from(value));

async function everywhere(nodes: readonly ZMsg[], key: string, value: string): Promise<void> {
  for (const zm of nodes) await expect.poll(() => read(zm, key), PATIENT).toBe(value);
}
const states = (nodes: readonly ZMsg[]) => nodes.map((zm) => zm.stats().coherence?.state);

test('on a cluster of three masters writes of keys in all slots are seen on every node', async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.destroy());
  const nodes = await openNodes(3, cluster.addrs);
  const [a, b, c] = nodes as [ZMsg, ZMsg, ZMsg];
  await expect.poll(() => states(nodes), PATIENT).toEqual(['trusted', 'trusted', 'trusted']);
  const keys = Array.from({ length: 60 }, (_, n) => `key_${n}`);
  await Promise.all(keys.map((key) => put(a, key, 'old')));
  for (const key of keys) await everywhere(nodes, key, 'old');
  await Promise.all(
    keys.map((key, n) => (n % 2 === 0 ? put(b, key, 'new') : c.cacheOnly(key, Buffer.from('new')))),
  );
  for (const key of keys) await everywhere(nodes, key, 'new');
  expect(a.stats().coherence?.gaps).toBe(0);
  // A master that is away: its keys come from the database, and nothing is stale when it is back.
  cluster.masters[1]?.pause();
  await Promise.all(keys.map((key) => put(a, key, 'newer')));
  for (const key of keys) await everywhere([b, c], key, 'newer');
  cluster.masters[1]?.resume();
  await expect.poll(() => states(nodes), PATIENT).toEqual(['trusted', 'trusted', 'trusted']);
  for (const key of keys) await everywhere(nodes, key, 'newer');
});

test('through Sentinels the nodes follow the master, and do not believe what the new one may lack', async () => {
  const sentinel = await startRedisSentinel();
  onTestFinished(() => sentinel.destroy());
  const nodes = await openNodes(2, sentinel.addr);
  const [a, b] = nodes as [ZMsg, ZMsg];
  await put(a, 'k', 'old');
  await everywhere(nodes, 'k', 'old');
  const replica = new Redis(`redis://${sentinel.replica.addr}`);
  onTestFinished(() => replica.disconnect());
  await expect.poll(async () => (await replica.keys('*v:k')).length, PATIENT).toBe(1);
  // The replica stops taking what is written, and takes over.
  await sentinel.master.stop('SIGKILL');
  await put(b, 'k', 'new');
  await everywhere(nodes, 'k', 'new');
  await expect.poll(async () => await replica.role(), PATIENT).toEqual(expect.arrayContaining(['master']));
  await expect.poll(() => states(nodes), PATIENT).toEqual(['trusted', 'trusted']);
  await everywhere(nodes, 'k', 'new');
  await put(a, 'after', 'v');
  await everywhere(nodes, 'after', 'v');
  await expect.poll(async () => (await replica.keys('*v:after')).length, PATIENT).toBe(1);
});

test('the first connection that a Sentinel sends to another master takes all others of the node along', async () => {
  const sentinel = await startRedisSentinel();
  onTestFinished(() => sentinel.destroy());
  const [zm] = (await openNodes(1, sentinel.addr)) as [ZMsg];
  await put(zm, 'k', 'old');
  const [deposed, master, sentinels] = [sentinel.master.port, sentinel.replica.port, sentinel.port].map(
    (port) => new Redis({ port, host: '127.0.0.1' }),
  ) as [Redis, Redis, Redis];
  onTestFinished(() => {
    for (const each of [deposed, master, sentinels]) each.disconnect();
  });
  const connections = async (redis: Redis) => {
    const lines = ((await redis.client('LIST')) as string).split('\n');
    return lines.flatMap((line) => {
      const [, id = '', name] = /\bid=(\d+) .*\bname=(zmsg-\S+)/.exec(line) ?? [];
      return name === undefined ? [] : [{ id, name }];
    });
  };
  const names = async (redis: Redis) => (await connections(redis)).map(({ name }) => name).sort();
  const all = await names(deposed);
  expect(new Set(all)).toEqual(new Set(['zmsg-l2', 'zmsg-coherence', 'zmsg-bloom', 'zmsg-flight']));
  expect(all.filter((name) => name === 'zmsg-l2')).toHaveLength(2);

  // Nobody tells the old one: it goes on answering, and keeps its connections.
  await sentinels.call('SENTINEL', 'REMOVE', sentinel.masterName);
  await master.replicaof('NO', 'ONE');
  await sentinels.call(
    'SENTINEL',
    'MONITOR',
    sentinel.masterName,
    '127.0.0.1',
    String(sentinel.replica.port),
    '1',
  );
  expect(await names(deposed)).toEqual(all);
  const [heard] = (await connections(deposed)).filter(({ name }) => name === 'zmsg-coherence');
  await deposed.client('KILL', 'ID', heard?.id ?? '');
  await expect.poll(() => names(master), PATIENT).toEqual(all);
  expect(await names(deposed)).toEqual([]);
  expect((await deposed.role())[0]).toBe('master');
  await expect.poll(() => states([zm]), PATIENT).toEqual(['trusted']);
  await put(zm, 'k', 'new');
  await everywhere([zm], 'k', 'new');
});

async function snapshottingRedis(): Promise<RedisServer> {
  const redis = await startRedis({ args: ['--save', '3600', '1000000'] });
  onTestFinished(() => redis.destroy());
  return redis;
}

test('a Redis that comes back with an old snapshot is not believed', async () => {
  const redis = await snapshottingRedis();
  const postgresDsn = await createDatabase(inject('postgresPort'));
  const options = { postgresDsn, redisAddr: redis.addr, cachePrefix: freshPrefix(), batchShards: 1 };
  const { zm: a } = await open({ ...options, delayBackend: 'postgres' });
  const admin = new Redis(`redis://${redis.addr}`, { retryStrategy: () => 50 });
  admin.on('error', () => {});
  onTestFinished(() => admin.disconnect());
  await put(a, 'k', 'old');
  await admin.save();
  await put(a, 'k', 'new');
  await redis.stop('SIGKILL');
  await redis.start();
  expect((await admin.keys('*v:k')).length).toBe(1);
  // Also for one that was not there at the time.
  const { zm: b } = await open({ ...options, delayBackend: 'postgres' });
  expect(await read(b, 'k')).toBe('new');
  await expect.poll(() => states([a, b]), PATIENT).toEqual(['trusted', 'trusted']);
  await expect.poll(() => b.stats().l2?.distrusted, PATIENT).toBe(false);
  await everywhere([a, b], 'k', 'new');
});
