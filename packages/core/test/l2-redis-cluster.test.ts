import { randomBytes, randomUUID } from 'node:crypto';
import { type RedisCluster, startRedisCluster } from '@zmsg/testbed';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { BullDelayQueue } from '../dist/delay/bull-delay-queue.js';
import { RedisCache } from '../dist/l2/redis-cache.js';
import { FlightLeases } from '../dist/read/flight-leases.js';

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster();
});

afterAll(() => cluster.destroy());

const endpoint = () => ({
  redisAddr: cluster.addrs,
  redisPassword: '',
  redisDb: 0,
  cachePrefix: 'c:',
});

test('keys of all slots are written, read and deleted, and replace works on any node', async () => {
  const cache = await RedisCache.open({ ...endpoint(), redisPoolSize: 2, commandTimeoutMs: 10_000 }, 5000);
  expect(cache.stats().state).toBe('ready');
  const keys = Array.from({ length: 300 }, (_, n) => `key-${n}`);
  await cache.setMany(keys.map((key) => ({ key, value: Buffer.from(key), ttlMs: 60_000 })));
  for (const client of cluster.clients) expect(await client.dbsize()).toBeGreaterThan(50);
  const found = await cache.getMany(keys);
  expect(keys.every((key) => found.get(key)?.value.toString() === key)).toBe(true);
  expect(
    await Promise.all(keys.slice(0, 20).map((key) => cache.replace(key, Buffer.from('new')))),
  ).not.toContain(false);
  expect((await cache.get('key-7'))?.value.toString()).toBe('new');
  // Loads and strong writes decide at the key itself, in whichever slot it is.
  for (const key of keys.slice(0, 20)) {
    const token = randomBytes(8);
    await cache.begin(key, token);
    expect(await cache.end(key, token, { mode: 'set', value: Buffer.from('strong'), ttlMs: 60_000 })).toBe(
      'done',
    );
    const lease = await cache.lease(`load-${key}`);
    expect(await cache.fill(`load-${key}`, Buffer.from('x'), 60_000, lease as Buffer)).toBe(true);
  }
  expect((await cache.get('key-7'))?.value.toString()).toBe('strong');
  await cache.delete(keys);
  expect((await cache.getMany(keys)).size).toBe(0);
  await cache.close();
});

test('a master that does not answer costs only the calls that ask for its keys', async () => {
  const cache = await RedisCache.open({ ...endpoint(), redisPoolSize: 1, commandTimeoutMs: 2_000 }, 5000);
  const keys = Array.from({ length: 90 }, (_, n) => `beside-${n}`);
  await cache.setMany(keys.map((key) => ({ key, value: Buffer.from(key), ttlMs: 60_000 })));
  const held = await Promise.all(
    cluster.clients.map(async (client) => (await client.keys('c:v:beside-*')).map((name) => name.slice(4))),
  );
  cluster.masters[1]?.pause();
  try {
    const read = await Promise.all(keys.map(async (key) => ((await cache.get(key)) ? key : undefined)));
    const found = read.filter((key) => key !== undefined);
    expect(found.sort()).toEqual([...(held[0] ?? []), ...(held[2] ?? [])].sort());
    expect(found.length).toBeLessThan(keys.length);
  } finally {
    cluster.masters[1]?.resume();
  }
  await cache.close();
});

test('leases of loads are taken by one node, and settled, on every master', async () => {
  const nodes = [0, 1].map(
    () => new FlightLeases({ ...endpoint(), leaseMs: 60_000, commandTimeoutMs: 20_000 }),
  );
  const [a, b] = nodes as [FlightLeases, FlightLeases];
  const keys = Array.from({ length: 90 }, (_, n) => `{a${n}}b{c}`);
  const wanted = (of: FlightLeases) => keys.map((key) => ({ flight: of.flight(key), known: undefined }));
  for (const node of nodes) {
    const flight = node.flight('connected?');
    await vi.waitFor(async () => {
      expect(await node.claim([{ flight, known: undefined }])).not.toEqual(['unknown']);
    });
  }
  const mine = wanted(a);
  expect(new Set(await a.claim(mine))).toEqual(new Set(['taken']));
  expect(await b.claim(wanted(b))).toEqual(mine.map(({ flight: { token } }) => ({ state: 'held', token })));
  await a.settle(mine.map(({ flight }) => ({ flight, state: 'filled' })));
  expect(await b.claim(wanted(b))).toEqual(mine.map(({ flight: { token } }) => ({ state: 'filled', token })));
  await Promise.all(nodes.map((node) => node.close()));
});

test('delayed writes run on a cluster', async () => {
  const applied: string[] = [];
  const queue = await BullDelayQueue.open({
    ...endpoint(),
    writer: {
      async apply({ key }) {
        applied.push(key);
        return { outcome: 'applied', rowCount: 1 };
      },
    },
  });
  const keys = ['a', 'b', 'c', 'd'];
  for (const key of keys) {
    await queue.enqueue({ operationId: randomUUID(), key, task: { text: 'SELECT 1', values: [] } }, 50);
  }
  await vi.waitFor(() => expect([...applied].sort()).toEqual(keys), { timeout: 20_000 });
  expect(queue.warnings()).toEqual([expect.stringMatching(/append-only/)]);
  await queue.close();
});
