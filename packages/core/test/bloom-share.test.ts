import { type RedisServer, startRedis } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type BloomEvent, BloomGate } from '../dist/bloom/bloom-gate.js';
import { withBloomHeld } from '../dist/bloom/bloom-hold.js';
import { BloomShare } from '../dist/bloom/bloom-share.js';
import { resolveOptions } from '../dist/options/resolve.js';
import type { Store } from '../dist/store/store.js';
import { Events, engineStore } from './ids-fixture.js';

const LEASE_MS = 800;
let store: Store;
let server: RedisServer;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  [store, server] = await Promise.all([engineStore(10), startRedis()]);
});
afterAll(async () => {
  await Promise.all([store.close(), server.destroy()]);
});
beforeEach(async () => {
  const redis = new Redis(server.port);
  await redis.flushall();
  redis.disconnect();
  await store.exec('TRUNCATE zmsg_data');
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface NodeOptions {
  capacity?: number;
  prefix?: string;
  forgetMs?: number;
  inherited?: Promise<boolean>;
}

const node = (options: NodeOptions = {}) => {
  const redis = new Redis(server.port, { maxRetriesPerRequest: 1, retryStrategy: () => 20 });
  redis.on('error', () => {});
  const events = new Events<BloomEvent>();
  const gate = new BloomGate({
    store,
    capacity: options.capacity ?? 5000,
    errorRate: 0.0001,
    exclusive: false,
    scanAfter: options.inherited?.then(() => {}),
    share: (bits, onEvent) => {
      const { prefix: cachePrefix = 'test:', forgetMs = 600_000, inherited } = options;
      return new BloomShare(
        {
          redis,
          cachePrefix,
          leaseMs: LEASE_MS,
          readTimeoutMs: 500,
          forgetMs,
          ...(inherited === undefined ? {} : { inherited }),
        },
        bits,
        onEvent,
      );
    },
    onEvent: events.on,
  });
  closing.push(async () => {
    await gate.close();
    redis.disconnect();
  });
  return { redis, gate, events };
};
/** A busy machine may make a beat or a read late, and then the key passes once more. */
const denies = (gate: BloomGate, key: string) =>
  expect.poll(() => gate.mayExist(key), { timeout: 20_000, interval: 10 }).toBe(false);
const insert = (keys: readonly string[]) =>
  store.exec(`INSERT INTO zmsg_data (id, data) SELECT unnest($1::text[]), ''`, [keys]);
const members = async () => {
  const redis = new Redis(server.port);
  try {
    return await redis.zcard('test:bloom:{zmsg}:members');
  } finally {
    redis.disconnect();
  }
};
const write = async (gate: BloomGate, keys: string[]) => {
  await gate.add(keys);
  await insert(keys);
};

test('fault 9: a key another node added is never answered as absent', async () => {
  const [a, b] = [node(), node()];
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  await denies(b.gate, 'k1');
  for (let n = 0; n < 300; n++) {
    const [from, to] = n % 2 === 0 ? [a, b] : [b, a];
    await denies(to.gate, `k${n}`);
    await write(from.gate, [`k${n}`]);
    expect(await to.gate.mayExist(`k${n}`)).toBe(true);
  }
  await denies(a.gate, 'other');
  expect(a.gate.stats().share).toMatchObject({ state: 'joined', unshared: 0 });
});

test('a node that starts later knows the rows of the others', async () => {
  const a = node();
  await a.gate.ready();
  await write(a.gate, ['early']);
  const b = node();
  await b.gate.ready();
  expect(await b.gate.mayExist('early')).toBe(true);
  await denies(b.gate, 'never');
});

test('keys that were added, but not written yet, survive the loss of the bitmap', async () => {
  const [a, b] = [node(), node()];
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  await a.gate.add(['slow']);
  await a.redis.flushall();
  // The first look-up finds the bitmap gone; nothing is denied until both have joined a new one.
  expect(await b.gate.mayExist('slow')).toBe(true);
  expect(await b.gate.mayExist('never')).toBe(true);
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  expect(b.gate.stats().share?.incarnation).toBe(2);
  await denies(b.gate, 'never');
  await insert(['slow']);
  expect(await b.gate.mayExist('slow')).toBe(true);
});

test('nothing is denied while keys are added, Redis is flushed, stopped and started', async () => {
  const nodes = [node(), node()];
  await Promise.all(nodes.map(({ gate }) => gate.ready()));
  const rows: string[] = [];
  let denied = 0;
  let isOver = false;
  const writers = nodes.map(async ({ gate }, at) => {
    for (let n = 0; !isOver; n++) {
      const key = `w${at}_${n}`;
      await write(gate, [key]);
      rows.push(key);
      for (const each of nodes) {
        const known = rows[Math.floor(Math.random() * rows.length)] as string;
        if (!(await each.gate.mayExist(key))) expect.fail(`${key} was denied`);
        if (!(await each.gate.mayExist(known))) expect.fail(`${known} was denied`);
        if (!(await each.gate.mayExist(`x${n}`))) denied += 1;
      }
    }
  });
  const [{ redis }] = nodes as [(typeof nodes)[0]];
  const faults = async () => {
    await redis.flushall();
    await Promise.all(nodes.map(({ gate }) => gate.ready()));
    await server.stop('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS));
    await server.start();
    await Promise.all(nodes.map(({ gate }) => gate.ready()));
    server.pause();
    await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS));
    server.resume();
    await Promise.all(nodes.map(({ gate }) => gate.ready()));
    await redis.del(...(await redis.keys('*bits*')));
    await Promise.all(nodes.map(({ gate }) => gate.ready()));
  };
  await faults().finally(() => {
    isOver = true;
  });
  await Promise.all(writers);
  expect(rows.length).toBeGreaterThan(100);
  expect(denied).toBeGreaterThan(0);
  for (const { gate } of nodes) {
    await expect
      .poll(() => gate.stats().share, { timeout: 10_000 })
      .toMatchObject({ state: 'joined', unshared: 0 });
  }
});

test('a node that cannot reach Redis stops the others from denying before it writes', async () => {
  const [a, b] = [node(), node()];
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  await denies(b.gate, 'alone');
  a.redis.disconnect();
  const started = performance.now();
  await write(a.gate, ['alone']);
  expect(performance.now() - started).toBeLessThan(20_000);
  expect(await b.gate.mayExist('alone')).toBe(true);
  expect(await b.gate.mayExist('never')).toBe(true);
  expect(a.gate.stats().share).toMatchObject({ state: 'apart', unshared: 1 });
  await write(a.gate, ['alone2']); // nobody counts on it any more: no waiting
  await a.redis.connect();
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  expect(await b.gate.mayExist('alone2')).toBe(true);
  await denies(b.gate, 'never');
  expect(a.gate.stats().share).toMatchObject({ state: 'joined', unshared: 0 });
});

test('a restart of Redis from an old snapshot is noticed', async () => {
  const [a, b] = [node(), node()];
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  await a.redis.save();
  await write(a.gate, ['after the snapshot']);
  await server.stop('SIGKILL');
  await server.start();
  expect(await b.gate.mayExist('after the snapshot')).toBe(true);
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  expect(await b.gate.mayExist('after the snapshot')).toBe(true);
  expect(b.gate.stats().share?.incarnation).toBe(2);
});

test('a master that was a replica in between is noticed: it may lack what was added meanwhile', async () => {
  const a = node();
  await a.gate.ready();
  await write(a.gate, ['old']);
  await denies(a.gate, 'other');
  const admin = new Redis(server.port);
  // Of a master that does not answer: it keeps the bitmap that it had.
  await admin.replicaof('127.0.0.1', 1);
  await admin.replicaof('NO', 'ONE');
  admin.disconnect();
  await insert(['meanwhile']); // and announced to the other master, which is gone
  expect(await a.gate.mayExist('meanwhile')).toBe(true);
  await a.gate.ready();
  await denies(a.gate, 'other');
  expect(await a.gate.mayExist('old')).toBe(true);
  expect(await a.gate.mayExist('meanwhile')).toBe(true);
});

test('a node with another capacity shares no bits, so nothing is denied while it runs', async () => {
  const a = node();
  await a.gate.ready();
  await denies(a.gate, 'k');
  const b = node({ capacity: 77 });
  await b.events.until('bloom:share:joined');
  await write(b.gate, ['k']);
  expect(await a.gate.mayExist('k')).toBe(true);
  expect(await b.gate.mayExist('never')).toBe(true);
  await b.gate.close();
  await a.gate.ready();
  await denies(a.gate, 'never');
});

test('a node that died is waited for, and forgotten after its time', async () => {
  const a = node({ forgetMs: 1500 });
  const b = node({ forgetMs: 1500 });
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  b.redis.disconnect(); // its end is not told
  await b.gate.close();
  await expect.poll(() => a.gate.mayExist('never'), { timeout: 5000, interval: 20 }).toBe(true);
  await a.gate.ready();
  await denies(a.gate, 'never');
});

test('what a node wrote while it was apart is known to the others when it has died and is forgotten', async () => {
  const a = node({ forgetMs: 1500 });
  const b = node({ forgetMs: 1500 });
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  await denies(a.gate, 'never');
  b.redis.disconnect();
  await write(b.gate, ['apart']);
  await b.gate.close(); // its end is not told
  const watch = (async () => {
    while ((await members()) !== 1) expect(await a.gate.mayExist('apart')).toBe(true);
  })();
  await watch;
  await a.gate.ready();
  await denies(a.gate, 'never');
  expect(await a.gate.mayExist('apart')).toBe(true);
});

test('rows from the log of a node that died are never denied, before and after they are written', async () => {
  const a = node();
  await a.gate.ready();
  await denies(a.gate, 'recovered'); // nobody who is alive has announced it
  let recovered = (_wasThere: boolean) => {};
  const inherited = new Promise<boolean>((resolve) => {
    recovered = resolve;
  });
  const b = node({ inherited, forgetMs: 1500 });
  await b.gate.registered();
  await insert(['recovered']);
  const until = performance.now() + 2 * LEASE_MS;
  while (performance.now() < until) expect(await a.gate.mayExist('recovered')).toBe(true);
  recovered(true);
  await b.gate.ready();
  await a.gate.ready();
  expect(await a.gate.mayExist('recovered')).toBe(true);
  await denies(a.gate, 'never');
  await denies(b.gate, 'never');
  expect(a.gate.stats().share?.incarnation).toBe(2);
});

test('a node that has inherited nothing lets the others keep their bitmap', async () => {
  const a = node();
  await a.gate.ready();
  const b = node({ inherited: Promise.resolve(false) });
  await b.gate.ready();
  await denies(a.gate, 'never');
  expect(a.gate.stats().share?.incarnation).toBe(1);
});

test('a member that counts for longer than a lease, since the clock of Redis was set back, is not trusted', async () => {
  const [a, b] = [node(), node()];
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  await denies(a.gate, 'late');
  b.redis.disconnect();
  const key = 'test:bloom:{zmsg}:members';
  for (const member of await a.redis.zrange(key, '0', '-1'))
    await a.redis.zincrby(key, '3600000', String(member));
  await write(b.gate, ['late']);
  const until = performance.now() + LEASE_MS;
  while (performance.now() < until) expect(await a.gate.mayExist('late')).toBe(true);
});

test('a clock of Redis that is set back is noticed, and a new bitmap made', async () => {
  const a = node();
  await a.gate.ready();
  await denies(a.gate, 'never');
  let backMs = 10_000; // less than the time after which a member is forgotten
  const scripting = a.redis as unknown as { evalshaBuffer: (...args: unknown[]) => Promise<unknown> };
  const run = scripting.evalshaBuffer.bind(a.redis);
  scripting.evalshaBuffer = async (...args) => {
    const reply = await run(...args);
    if (Array.isArray(reply) && typeof reply[0] === 'number') reply[0] -= backMs;
    return reply;
  };
  const before = a.gate.stats().share?.incarnation ?? 0;
  await expect.poll(() => a.gate.stats().share?.state, { timeout: 20_000 }).not.toBe('joined');
  backMs = 0;
  await a.gate.ready();
  expect(a.gate.stats().share?.incarnation).toBeGreaterThan(before);
  await denies(a.gate, 'never');
});

test('while rows of unknown keys are written everything passes, and then the tables are read again', async () => {
  const a = node();
  await a.gate.ready();
  await denies(a.gate, 'by hand');
  const options = resolveOptions({
    redisAddr: server.addr,
    cachePrefix: 'test:',
    postgresDsn: 'postgresql://h/d',
  });
  const warnings: unknown[] = [];
  const logger = { warn: (about: unknown) => warnings.push(about) } as unknown as Logger;
  await withBloomHeld(options, logger, async () => {
    await insert(['by hand']);
    const until = performance.now() + LEASE_MS;
    while (performance.now() < until) expect(await a.gate.mayExist('by hand')).toBe(true);
  });
  expect(await a.gate.mayExist('by hand')).toBe(true);
  await a.gate.ready();
  expect(await a.gate.mayExist('by hand')).toBe(true);
  await denies(a.gate, 'never');
  expect(warnings).toEqual([]);
});

test('two engines under different prefixes know nothing of each other', async () => {
  const [a, b] = [node({ prefix: 'one:' }), node({ prefix: 'two:' })];
  await Promise.all([a.gate.ready(), b.gate.ready()]);
  await a.gate.add(['k']);
  await denies(b.gate, 'k');
});
