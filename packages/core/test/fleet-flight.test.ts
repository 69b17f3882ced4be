import { type RedisServer, startRedis } from '@zmsg/testbed';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { L2 } from '../dist/l2/l2.js';
import { RedisCache } from '../dist/l2/redis-cache.js';
import { Loaders } from '../dist/load/loaders.js';
import { FleetFlight } from '../dist/read/fleet-flight.js';
import { FlightLeases } from '../dist/read/flight-leases.js';
import { Reader } from '../dist/read/reader.js';
import type { Session, Store } from '../dist/store/store.js';
import { engineStore } from './ids-fixture.js';
import { freshPrefix } from './open-engine.js';

let store: Store;
let server: RedisServer;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  [store, server] = await Promise.all([engineStore(), startRedis()]);
});
afterAll(async () => {
  await Promise.all([store.close(), server.destroy()]);
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Load = (keys: readonly string[], db: Session) => Promise<Map<string, string>>;

/** The read paths of several nodes on one Redis. Waits are long, so that a busy machine changes nothing. */
function fleet(size: number, load: Load, waitMs = 30_000, leaseMs = waitMs * 0.6) {
  const cachePrefix = freshPrefix();
  const endpoint = { redisAddr: [server.addr], redisPassword: '', redisDb: 0, cachePrefix };
  const node = async () => {
    const tier = await RedisCache.open(
      { ...endpoint, redisPoolSize: 2, commandTimeoutMs: waitMs < 1000 ? 500 : 20_000 },
      20_000,
    );
    const leases = new FlightLeases({
      ...endpoint,
      leaseMs,
      commandTimeoutMs: waitMs < 1000 ? 500 : 20_000,
    });
    const connected = () => leases.claim([{ flight: leases.flight('connected?'), known: undefined }]);
    await vi.waitUntil(async () => (await connected())[0] !== 'unknown', { timeout: 20_000 });
    const l2 = new L2(tier);
    const l1 = SharedLRU.create({ maxBytes: 1 << 20 });
    const flight = new FleetFlight({ leases, l2, waitMs });
    const loaders = new Loaders(store);
    loaders.register('k', load);
    closing.push(async () => {
      await flight.close();
      await l2.close();
    });
    const none = { coherence: undefined, bloom: undefined };
    const reader = new Reader({
      ...none,
      l1,
      l2,
      fleet: flight,
      loaders,
      recent: undefined,
      defaultTtlMs: 60_000,
    });
    return { flight, leases, l1, l2, reader };
  };
  return Promise.all(Array.from({ length: size }, node));
}

/** A load that waits to be told what it finds. */
function heldLoad() {
  const loads: {
    keys: readonly string[];
    end: (values: Record<string, string>) => void;
    fail: () => void;
  }[] = [];
  const load: Load = (keys) =>
    new Promise((resolve, reject) => {
      const end = (values: Record<string, string>) => resolve(new Map(Object.entries(values)));
      loads.push({ keys, end, fail: () => reject(new Error('no load today')) });
    });
  const until = (count: number) =>
    vi.waitFor(() => expect(loads.length).toBeGreaterThanOrEqual(count), { timeout: 20_000, interval: 2 });
  return { load, loads, until };
}

const text = (value: Buffer | undefined) => value?.toString();

test('of five nodes that miss a thousand keys at once one loads each', async () => {
  const counts = new Map<string, number>();
  const nodes = await fleet(5, async (keys) => {
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    return new Map(keys.map((key) => [key, `value of ${key}`]));
  });
  const keys = Array.from({ length: 1000 }, (_, n) => `k${n}`);
  const found = await Promise.all(nodes.map(({ reader }) => reader.getMany(keys)));
  for (const values of found) {
    expect(values.size).toBe(1000);
    for (const key of keys) expect(text(values.get(key))).toBe(`value of ${key}`);
  }
  expect(counts.size).toBe(1000);
  expect(Math.max(...counts.values())).toBe(1);
  const totals = nodes.map(({ flight }) => flight.stats());
  expect(totals.reduce((sum, { served }) => sum + served, 0)).toBe(4000);
  expect(totals.reduce((sum, { alone }) => sum + alone, 0)).toBe(0);
});

test('who has waited for a slow load for long enough loads beside it', async () => {
  const { load, loads, until } = heldLoad();
  const [a, b] = await fleet(2, load, 100, 60_000);
  const slow = a?.reader.miss('k');
  await until(1);
  const waiting = b?.reader.miss('k');
  await until(2);
  loads[1]?.end({ k: 'second' });
  expect(text(await waiting)).toBe('second');
  loads[0]?.end({ k: 'first' });
  expect(text(await slow)).toBe('first');
});

test('a load that takes longer than a lease keeps it', async () => {
  const { load, loads, until } = heldLoad();
  const [a, b] = await fleet(2, load, 3000);
  const slow = a?.reader.miss('k');
  await until(1);
  const started = performance.now();
  const waiting = b?.reader.miss('k');
  await vi.waitUntil(() => performance.now() - started > 2400, { timeout: 10_000 }); // a lease is 1,800 ms
  expect(loads).toHaveLength(1);
  loads[0]?.end({ k: 'v' });
  expect([text(await slow), text(await waiting)]).toEqual(['v', 'v']);
  expect(loads).toHaveLength(1);
});

test('when the node that loads dies one of those that wait takes its place', async () => {
  const { load, loads, until } = heldLoad();
  const [a, ...others] = await fleet(4, load, 3000);
  const lost = a?.reader.miss('k');
  await until(1);
  const waiting = others.map(({ reader }) => reader.miss('k'));
  await a?.leases.close(); // nothing is heard of it any more
  await until(2);
  loads[1]?.end({ k: 'v' });
  expect((await Promise.all(waiting)).map(text)).toEqual(['v', 'v', 'v']);
  expect(loads).toHaveLength(2);
  loads[0]?.end({});
  await lost;
});

test.each([
  ['finds nothing', (load: { end: (values: Record<string, string>) => void }) => load.end({})],
  ['fails', (load: { fail: () => void }) => load.fail()],
])('when the load %s all that wait look for themselves, at once', async (_what, end) => {
  const { load, loads, until } = heldLoad();
  const [a, ...others] = await fleet(4, load);
  const first = a?.reader.miss('k').then(text, () => 'failed');
  await until(1);
  const waiting = others.map(({ reader }) => reader.miss('k'));
  await vi.waitFor(() => expect(others.map(({ flight }) => flight.stats().waiting)).toEqual([1, 1, 1]));
  end(loads[0] as (typeof loads)[0]);
  expect(['failed', undefined]).toContain(await first);
  await until(4);
  // A row was committed meanwhile: nobody is told of an answer that is older than the question.
  for (const each of loads.slice(1)) each.end({ k: 'now' });
  expect((await Promise.all(waiting)).map(text)).toEqual(['now', 'now', 'now']);
});

test('who missed L2 just before it was filled is given the value, and loads if L2 has lost it again', async () => {
  const [a, b, c] = await fleet(3, async (keys) => new Map(keys.map((key) => [key, 'loaded'])));
  expect(text(await a?.reader.miss('k'))).toBe('loaded');
  await vi.waitFor(async () => {
    const turn = await b?.flight.turn('k');
    turn?.land(Promise.resolve());
    expect(text(turn?.entry?.value)).toBe('loaded');
  });
  await a?.l2.delete('k');
  const turn = await c?.flight.turn('k');
  expect(turn?.entry).toBe(undefined);
  expect(c?.flight.stats()).toMatchObject({ led: 1, alone: 0 });
  turn?.land();
});

test('a flight that a write has overtaken is not waited for by its own node', async () => {
  const { load, loads, until } = heldLoad();
  const [a] = await fleet(1, load);
  const before = a?.reader.miss('k');
  await until(1);
  a?.reader.supersede('k');
  const after = a?.reader.miss('k');
  await until(2);
  loads[1]?.end({ k: 'new' });
  loads[0]?.end({ k: 'old' });
  expect([text(await before), text(await after)]).toEqual(['old', 'new']);
});

test('a write while its node waits is not replaced in L1 by what the other node loaded before', async () => {
  const { load, loads, until } = heldLoad();
  const [a, b] = await fleet(2, load);
  const first = a?.reader.miss('k');
  await until(1);
  const waiting = b?.reader.miss('k');
  await vi.waitFor(() => expect(b?.flight.stats().waiting).toBe(1));
  b?.l1.set('k', Buffer.from('written'), { ttl: 60_000 });
  loads[0]?.end({ k: 'loaded' });
  await Promise.all([first, waiting]);
  expect(text(b?.l1.get('k'))).toBe('written');
  expect(loads).toHaveLength(1);
});

test('with Redis gone every node loads, and none waits', async () => {
  const own = await startRedis();
  const good = server;
  server = own;
  const { load, loads, until } = heldLoad();
  const nodes = await fleet(2, load);
  server = good;
  await own.stop('SIGKILL');
  const reads = nodes.map(({ reader }) => reader.miss('k'));
  await until(2);
  for (const each of loads) each.end({ k: 'v' });
  expect((await Promise.all(reads)).map(text)).toEqual(['v', 'v']);
  await own.destroy();
});
