import { setImmediate } from 'node:timers/promises';
import { startRedis } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest';
import { RedisCache, type RedisCacheOptions } from '../dist/l2/redis-cache.js';
import { TierError } from '../dist/l2/shared-tier.js';

const prefix = `l2-${process.pid}-${Date.now().toString(36)}:`;
let probe: Redis;
const opened: RedisCache[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

const options = (more: Partial<RedisCacheOptions> = {}): RedisCacheOptions => ({
  redisAddr: [inject('redisAddr')],
  redisPassword: '',
  redisDb: 0,
  redisPoolSize: 3,
  cachePrefix: prefix,
  ...more,
});

async function open(more: Partial<RedisCacheOptions> = {}, waitMs?: number): Promise<RedisCache> {
  const cache = await RedisCache.open(options(more), waitMs);
  opened.push(cache);
  return cache;
}

beforeAll(() => {
  process.on('unhandledRejection', onUnhandled);
  probe = new Redis(`redis://${inject('redisAddr')}`);
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((cache) => cache.close()));
  expect(unhandled).toEqual([]);
});

afterAll(async () => {
  process.off('unhandledRejection', onUnhandled);
  await probe.quit();
});

test('a value comes back byte for byte with its remaining TTL', async () => {
  const cache = await open();
  const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await cache.set('bytes', value, 60_000);
  const entry = await cache.get('bytes');
  expect(entry?.value.equals(value)).toBe(true);
  expect(entry?.remainingTtlMs).toBeGreaterThan(59_000);
  expect(entry?.remainingTtlMs).toBeLessThanOrEqual(60_000);
  expect(await cache.get('absent')).toBeUndefined();
  expect(cache.stats()).toMatchObject({ hits: 1, misses: 1, state: 'ready', inFlight: 0 });
});

test('keys with Unicode, spaces and braces and an empty value are kept apart', async () => {
  const cache = await open();
  const keys = ['ключ', '鍵', '👍🏽', 'a b', '{tag}1', '{tag}2', '\n', '\u0451', '\u0435\u0308'];
  await cache.setMany(keys.map((key, at) => ({ key, value: Buffer.from([at]), ttlMs: 60_000 })));
  await cache.set('empty', new Uint8Array(0), 60_000);
  const found = await cache.getMany([...keys, 'empty', 'absent']);
  expect(keys.map((key) => found.get(key)?.value[0])).toEqual(keys.map((_, at) => at));
  expect(found.get('empty')?.value.byteLength).toBe(0);
  expect(found.has('absent')).toBe(false);
});

test('the expiry in Redis is exact to the millisecond, and an endless entry has none', async () => {
  let nowMs = 1_700_000_000_000;
  const cache = await open({ now: () => nowMs });
  await cache.set('ttl', Buffer.from('x'), 12_345.2);
  const at = await probe.call('PEXPIRETIME', `${prefix}v:ttl`);
  const [seconds = 0, micros = 0] = (await probe.time()).map(Number);
  expect(Number(at) - Math.floor(seconds * 1000 + micros / 1000)).toBeLessThanOrEqual(12_346);
  expect(await probe.pttl(`${prefix}v:ttl`)).toBeGreaterThan(12_000);
  expect((await cache.get('ttl'))?.remainingTtlMs).toBe(12_346);
  nowMs += 12_000;
  expect((await cache.get('ttl'))?.remainingTtlMs).toBe(346);
  nowMs += 1000; // this node's clock runs ahead: Redis still has the entry
  expect(await cache.get('ttl')).toMatchObject({ value: Buffer.from('x'), remainingTtlMs: 0 });
  await cache.set('endless', Buffer.from('x'), Number.POSITIVE_INFINITY);
  expect(await probe.pttl(`${prefix}v:endless`)).toBe(-1);
  expect((await cache.get('endless'))?.remainingTtlMs).toBe(Number.POSITIVE_INFINITY);
  await cache.set('endless', Buffer.from('x'), 0);
  expect(await cache.get('endless')).toBeUndefined();
});

test('replace keeps the remaining TTL and does not create an entry', async () => {
  const cache = await open();
  await cache.set('replaced', Buffer.from('old'), 5000);
  const before = Number(await probe.call('PEXPIRETIME', `${prefix}v:replaced`));
  expect(await cache.replace('replaced', Buffer.from([0, 255, 10]))).toBe(true);
  expect(Number(await probe.call('PEXPIRETIME', `${prefix}v:replaced`))).toBe(before);
  expect((await cache.get('replaced'))?.value).toEqual(Buffer.from([0, 255, 10]));
  expect(await cache.replace('never-set', Buffer.from('x'))).toBe(false);
  expect(await cache.get('never-set')).toBeUndefined();
});

test('delete removes the keys, and a foreign or unknown format is a miss', async () => {
  const cache = await open();
  await cache.setMany(['d1', 'd2', 'd3'].map((key) => ({ key, value: Buffer.from(key), ttlMs: 60_000 })));
  await cache.delete(['d1', 'd3', 'nothing']);
  expect([...(await cache.getMany(['d1', 'd2', 'd3'])).keys()]).toEqual(['d2']);
  await probe.set(`${prefix}v:foreign`, Buffer.from('{"json":true, "not": "ours"}'));
  await probe.set(`${prefix}v:future`, Buffer.concat([Buffer.from([9]), Buffer.alloc(20)]));
  await probe.set(`${prefix}v:short`, Buffer.from([1]));
  expect((await cache.getMany(['foreign', 'future', 'short'])).size).toBe(0);
  expect(await cache.replace('future', Buffer.from('x'))).toBe(false);
});

test('a key of another type in Redis is a miss, and costs no other key anything', async () => {
  const cache = await open({ failureThreshold: 1 });
  await probe.lpush(`${prefix}v:list`, 'x');
  await cache.set('beside', Buffer.from('v'), 60_000);
  const [list, beside] = await Promise.all([cache.get('list'), cache.get('beside')]);
  expect(list).toBeUndefined();
  expect(beside?.value.toString()).toBe('v');
  await expect(cache.replace('list', Buffer.from('v'))).rejects.toBeInstanceOf(TierError);

  const [one, two] = (await Promise.all([cache.lease('list'), cache.lease('two')])) as [Buffer, Buffer];
  const value = Buffer.from('filled');
  expect(
    await Promise.all([
      cache.fill('list', value, 60_000, one),
      cache.fill('two', value, 60_000, one), // of another key
      cache.giveBack('two', two),
    ]),
  ).toEqual([true, false, undefined]);
  expect(await cache.fill('two', value, 60_000, two)).toBe(false);
  expect((await cache.get('list'))?.value).toEqual(value);
  expect(await probe.exists(`${prefix}v:two`)).toBe(0);
  expect(cache.stats()).toMatchObject({ errors: 1, state: 'ready', breaker: 'closed' });
});

async function commandCalls(client: Redis, command: string): Promise<number> {
  const stats = await client.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

test('1,000 keys are read with one MGET', async () => {
  const server = await startRedis();
  const watch = new Redis(`redis://${server.addr}`);
  try {
    const cache = await open({ redisAddr: [server.addr], commandTimeoutMs: 10_000 });
    const keys = Array.from({ length: 1000 }, (_, at) => `k${at}`);
    await cache.setMany(keys.map((key) => ({ key, value: Buffer.from(key), ttlMs: 60_000 })));
    const found = await cache.getMany(keys);
    expect(found.size).toBe(1000);
    expect(found.get('k999')?.value.toString()).toBe('k999');
    expect(await commandCalls(watch, 'mget')).toBe(1);
    expect(await commandCalls(watch, 'get')).toBe(0);
  } finally {
    await watch.quit();
    await server.destroy();
  }
});

test('reads, leases and fills of one turn are a command each, and everyone gets the own answer', async () => {
  const server = await startRedis();
  onTestFinished(() => server.destroy());
  const cache = await open({ redisAddr: [server.addr], commandTimeoutMs: 10_000 });
  const keys = Array.from({ length: 300 }, (_, at) => `k${at}`);
  const leases = (await Promise.all(keys.map((key) => cache.lease(key)))) as Buffer[];
  const filled = await Promise.all(
    keys.map((key, at) => {
      if (at % 3 === 0) return cache.giveBack(key, leases[at] as Buffer);
      return cache.fill(key, Buffer.from(key), 60_000, leases[at] as Buffer);
    }),
  );
  expect(filled).toEqual(keys.map((_, at) => (at % 3 === 0 ? undefined : true)));
  const read = await Promise.all(keys.map((key) => cache.get(key)));
  expect(read.map((entry) => entry?.value.toString())).toEqual(
    keys.map((key, at) => (at % 3 === 0 ? undefined : key)),
  );

  const watch = new Redis(`redis://${server.addr}`);
  onTestFinished(() => watch.disconnect());
  // Each of the two scripts makes one, and is sent again, with its text, the first time.
  expect(await commandCalls(watch, 'mget')).toBe(3);
  expect((await commandCalls(watch, 'evalsha')) + (await commandCalls(watch, 'eval'))).toBe(4);
});

test('what waits for the end of its turn is sent when the cache is closed', async () => {
  const cache = await open();
  const lease = (await cache.lease('last turn')) as Buffer;
  const filled = cache.fill('last turn', Buffer.from('v'), 60_000, lease);
  await cache.close();
  expect(await filled).toBe(true);
});

test('writes of one turn reach Redis in the order of the calls', async () => {
  const cache = await open({ redisPoolSize: 10 });
  const calls: Promise<void>[] = [];
  for (let at = 0; at < 200; at++) {
    calls.push(cache.set('ordered', Buffer.from(String(at)), 60_000), cache.delete(['ordered']));
  }
  calls.push(cache.set('ordered', Buffer.from('last'), 60_000));
  await Promise.all(calls);
  expect((await cache.get('ordered'))?.value.toString()).toBe('last');
});

test('a value beyond the limit of Redis is refused and nothing is sent', async () => {
  const cache = await open();
  const huge = Buffer.alloc(512 * 1024 * 1024);
  await expect(cache.set('huge', huge, 1000)).rejects.toMatchObject({ reason: 'refused' });
  await expect(cache.replace('huge', huge)).rejects.toBeInstanceOf(TierError);
  expect(cache.stats().state).toBe('ready');
});

test('open does not fail when Redis is away, and connects when it comes', async () => {
  const server = await startRedis();
  await server.stop('SIGKILL');
  const errors: Error[] = [];
  const cache = await open({ redisAddr: [server.addr], onConnectionError: (e) => errors.push(e) }, 50);
  expect(cache.stats().state).toBe('away');
  expect(await cache.get('k')).toBeUndefined();
  await expect(cache.set('k', Buffer.from('v'), 1000)).rejects.toMatchObject({ reason: 'refused' });
  expect(errors.length).toBeGreaterThan(0);
  await server.start();
  await vi.waitUntil(() => cache.stats().state === 'ready', { timeout: 10_000 });
  await cache.set('k', Buffer.from('v'), 10_000);
  expect((await cache.get('k'))?.value.toString()).toBe('v');
  await cache.close();
  await server.destroy();
});

test('a Redis that stops answering costs bounded time, then nothing, and comes back', async () => {
  const server = await startRedis();
  const cache = await open({ redisAddr: [server.addr], commandTimeoutMs: 100, redisPoolSize: 2 });
  await cache.set('k', Buffer.from('v'), 60_000);
  server.pause();
  const startedAt = performance.now();
  const turns: Promise<unknown>[][] = [];
  for (let turn = 0; turn < 10; turn++) {
    turns.push(Array.from({ length: 50 }, () => cache.get('k')));
    await setImmediate();
  }
  const first = await Promise.all(turns.flat());
  expect(first.every((entry) => entry === undefined)).toBe(true);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(cache.stats()).toMatchObject({ timeouts: 500, state: 'away', breaker: 'open', inFlight: 0 });

  const refusedAt = performance.now();
  for (let at = 0; at < 20_000; at++) await cache.get('k');
  expect(performance.now() - refusedAt).toBeLessThan(10_000);
  await expect(cache.delete(['k'])).rejects.toBeInstanceOf(TierError);
  // Only probes are sent now, one at a time: nothing piles up for the Redis that does not answer.
  expect(cache.stats().inFlight).toBeLessThanOrEqual(1);
  expect(cache.stats().timeouts).toBeLessThan(520);

  server.resume();
  await vi.waitUntil(async () => (await cache.get('k')) !== undefined, { timeout: 15_000, interval: 20 });
  expect(cache.stats()).toMatchObject({ state: 'ready', breaker: 'closed' });
  await cache.close();
  await server.destroy();
});

test('a Redis that is killed under load fails nothing but writes, and comes back', async () => {
  const server = await startRedis();
  const cache = await open({ redisAddr: [server.addr], commandTimeoutMs: 200 });
  await cache.set('k', Buffer.from('v'), 60_000);
  const reads = Array.from({ length: 2000 }, () => cache.get('k'));
  const writes = Promise.allSettled(
    Array.from({ length: 200 }, () => cache.set('w', Buffer.alloc(1000), 1000)),
  );
  const stopping = server.stop('SIGKILL');
  await Promise.all(reads);
  for (const outcome of await writes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(TierError);
  }
  await stopping;
  expect(await cache.get('k')).toBeUndefined();
  await vi.waitUntil(() => cache.stats().state === 'away');
  expect(cache.stats().inFlight).toBe(0);
  await server.start();
  await vi.waitUntil(() => cache.stats().state === 'ready' || void cache.get('k'), { timeout: 10_000 });
  await cache.set('k', Buffer.from('again'), 60_000);
  expect((await cache.get('k'))?.value.toString()).toBe('again');
  await cache.close();
  await server.destroy();
});

test('a server that was a replica in between is another one, until it was cleared', async () => {
  const server = await startRedis();
  onTestFinished(() => server.destroy());
  const cache = await open({ redisAddr: [server.addr] });
  await cache.set('k', Buffer.from('old'), 60_000);
  expect(await cache.hasOtherServers()).toBe(false);
  expect(await cache.hasOtherServers()).toBe(false);
  const admin = new Redis(`redis://${server.addr}`);
  // Of a master that does not answer: it keeps what it had.
  await admin.replicaof('127.0.0.1', 1);
  await admin.replicaof('NO', 'ONE');
  admin.disconnect();
  expect(await cache.hasOtherServers()).toBe(true);
  await cache.clear();
  expect(await cache.hasOtherServers()).toBe(false);
  expect(await cache.get('k')).toBe(undefined);
});

test('calls beyond the bound in flight are refused', async () => {
  const cache = await open({ maxInFlight: 10 });
  const reads = Array.from({ length: 50 }, () => cache.get('bound'));
  await Promise.all(reads);
  expect(cache.stats()).toMatchObject({ misses: 10, refused: 40 });
});

test('close leaves no connection, also when Redis does not answer or is away', async () => {
  const server = await startRedis();
  const watch = new Redis(`redis://${server.addr}`);
  const count = async () =>
    ((await watch.call('CLIENT', 'LIST')) as string).split('\n').filter((line) => line.includes('zmsg-l2'))
      .length;
  const first = await open({ redisAddr: [server.addr], redisPoolSize: 4 });
  await vi.waitUntil(async () => (await count()) === 4);
  await first.close();
  await vi.waitUntil(async () => (await count()) === 0);
  expect(await first.get('k')).toBeUndefined();
  await expect(first.ping()).rejects.toBeInstanceOf(TierError);
  expect(first.stats().state).toBe('closed');

  const second = await open({ redisAddr: [server.addr], commandTimeoutMs: 100 });
  await vi.waitUntil(async () => (await count()) === 3);
  server.pause();
  const late = second.get('k');
  const startedAt = performance.now();
  await second.close();
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(await late).toBeUndefined();
  server.resume();
  await vi.waitUntil(async () => (await count()) === 0);
  await watch.quit();
  await server.stop('SIGKILL');

  const third = await open({ redisAddr: [server.addr] }, 50);
  await third.close();
  await server.destroy();
});

test('credentials, database and TLS are taken from the URL, and a bad address is a ConfigError', async () => {
  const server = await startRedis({ args: ['--requirepass', 's3cret'] });
  const admin = new Redis(`redis://:s3cret@${server.addr}/5`);
  const byUrl = await open({ redisAddr: [`redis://:s3cret@${server.addr}/5`], cachePrefix: 'url:' });
  await byUrl.set('k', Buffer.from('v'), 10_000);
  expect(await admin.exists('url:v:k')).toBe(1);
  const byOption = await open({
    redisAddr: [server.addr],
    redisPassword: 's3cret',
    redisDb: 5,
    cachePrefix: 'url:',
  });
  expect((await byOption.get('k'))?.value.toString()).toBe('v');
  const denied = await open({ redisAddr: [server.addr], redisPassword: 'wrong' }, 100);
  expect(denied.stats().state).toBe('away');
  const tls = await open({ redisAddr: [`rediss://:s3cret@${server.addr}`] }, 100);
  expect(tls.stats().state).toBe('away'); // this server speaks no TLS: the handshake fails, open does not
  for (const addr of ['http://x', 'redis://:s3cret@', 'redis://h/name', 'h:port']) {
    const refused = RedisCache.open(options({ redisAddr: [addr] }));
    await expect(refused).rejects.toMatchObject({ code: 'CONFIG', key: 'redis_addr' });
    await expect(refused).rejects.not.toThrow(/s3cret/);
  }
  await Promise.all([byUrl.close(), byOption.close(), denied.close(), tls.close(), admin.quit()]);
  await server.destroy();
});
