import { fileURLToPath } from 'node:url';
import { createDatabase, type RedisServer, startRedis, startTcpProxy, type TcpProxy } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { FleetNode } from './fleet-node.js';

const PROGRAM = fileURLToPath(new URL('bloom-node-process.mjs', import.meta.url));
const PREFIX = 'bloom:';
const soon = { timeout: 40_000, interval: 20 };
/** `BLOOM_NODES_SECONDS=600 npx vitest run packages/core/test/bloom-nodes.test.ts`, with `BLOOM_NODES_SEED` to repeat. */
const SECONDS = Number(process.env.BLOOM_NODES_SECONDS ?? 0);
const SEED = Number(process.env.BLOOM_NODES_SEED ?? Date.now() % 1_000_000);

interface Counts {
  writes: number;
  checks: number;
  denials: number;
  wrong: string[];
}

let server: RedisServer;
let client: pg.Client;
let seed = SEED;
const nodes: FleetNode[] = [];
let proxies: TcpProxy[] = [];

// Processes are slow to start on a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

beforeAll(async () => {
  server = await startRedis();
  const postgresDsn = await createDatabase(inject('postgresPort'), 'bloom');
  client = new pg.Client({ connectionString: postgresDsn });
  await client.connect();
  await client.query('CREATE TABLE rows (id text PRIMARY KEY, value text, at timestamptz DEFAULT now())');
  await client.query('CREATE INDEX ON rows (at)');
  proxies = await Promise.all([0, 1, 2].map(() => startTcpProxy(server.port)));
  const start = (n: number) =>
    FleetNode.start(
      `n${n}`,
      {
        postgresDsn,
        redisAddr: proxies[n]?.addr,
        cachePrefix: PREFIX,
        delayBackend: 'postgres',
        batchInterval: n === 0 ? '1h' : '100ms', // what node 0 keeps is recovered from its log
        bloomCapacity: 100_000,
        bloomErrorRate: 0.001,
      },
      PROGRAM,
    );
  nodes.push(await start(0)); // one makes the tables
  nodes.push(...(await Promise.all([start(1), start(2)])));
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.destroy()));
  for (const proxy of proxies) proxy.close();
  await client.end();
  await server.destroy();
});

const admin = async <T>(what: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(`redis://${server.addr}`);
  try {
    return await what(redis);
  } finally {
    redis.disconnect();
  }
};
/** Until every node denies again: then the next fault begins with a filter that is trusted. */
const denying = async (of = nodes) => {
  for (const node of of) {
    await vi.waitFor(async () => expect(await node.ask('denies', [`b_none_${below(1e9)}`])).toBe(true), soon);
  }
};
const expectNoneWrong = async () => {
  for (const node of nodes) expect((await node.ask<Counts>('counts')).wrong).toEqual([]);
};
/** A whole number from 0, of a sequence that the seed decides (mulberry32). */
const below = (bound: number) => {
  seed = (seed + 0x6d2b79f5) | 0;
  let n = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  n = (n + Math.imul(n ^ (n >>> 7), 61 | n)) ^ n;
  return ((n ^ (n >>> 14)) >>> 0) % bound;
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const any = <T>(list: readonly T[]): T => list[below(list.length)] as T;

/** How long a fault lasts, milliseconds: longer than a lease of the filter. */
const LONG_MS = 2000;
const FAULTS: Record<string, () => Promise<void>> = {
  'Redis is flushed': () => admin(async (redis) => void (await redis.flushall())),
  'the bitmap is lost alone': () =>
    admin(async (redis) => void (await redis.unlink(...(await redis.keys(`${PREFIX}bloom:*bits*`)), 'none'))),
  'Redis is killed and starts empty': async () => {
    await server.stop('SIGKILL');
    await pause(LONG_MS);
    await server.start();
  },
  'Redis stands still': async () => {
    server.pause();
    await pause(LONG_MS);
    server.resume();
  },
  'a node loses its connections to Redis': async () => any(proxies).reset(),
  'a node has half-open connections to Redis': async () => {
    const proxy = any(proxies);
    proxy.stall();
    await pause(LONG_MS);
    proxy.heal();
  },
  'a node is killed and restarted': async () => {
    const node = any(nodes);
    await node.kill();
    await node.restart();
    await node.ask('work');
  },
  'a node closes and is restarted': async () => {
    const node = any(nodes);
    expect((await node.ask<Counts>('close')).wrong).toEqual([]);
    await node.kill();
    await node.restart();
    await node.ask('work');
  },
  'a node stands still': async () => {
    const node = any(nodes);
    node.signal('SIGSTOP');
    await pause(LONG_MS);
    node.signal('SIGCONT');
  },
};

test('what a killed node had acknowledged is never denied, even when nobody remembers the node and its bits', async () => {
  const [a, b, c] = nodes as [FleetNode, FleetNode, FleetNode];
  await a.ask('keep', ['b_kept']);
  await a.kill();
  await admin(async (redis) => {
    await redis.flushall();
    // As after the time that a node is waited for: the others deny again.
    await vi.waitFor(async () => {
      const members = await redis.zrange(`${PREFIX}bloom:{zmsg}:members`, '0', '-1', 'WITHSCORES');
      const dead = members.filter((_, at) => Number(members[at + 1]) < 0 && at % 2 === 0).map(String);
      if (dead.length > 0) await redis.zrem(`${PREFIX}bloom:{zmsg}:members`, ...dead);
      expect(await b.ask('denies', ['b_kept'])).toBe(true);
    }, soon);
  });
  const restarted = a.restart();
  await vi.waitFor(async () => {
    const { rowCount } = await client.query(`SELECT FROM rows WHERE id = 'b_kept'`);
    expect(rowCount).toBe(1);
  }, soon);
  for (let n = 0; n < 50; n++)
    for (const node of [b, c]) expect(await node.ask('dbHit', ['b_kept'])).toBe(true);
  await restarted;
  await denying([b, c]);
  for (const node of nodes) expect(await node.ask('dbHit', ['b_kept'])).toBe(true);
});

test(
  'no node denies a row that PostgreSQL shows, whatever happens to nodes and Redis',
  async () => {
    await denying();
    for (const node of nodes) await node.ask('work');
    const until = Date.now() + SECONDS * 1000;
    const faults = SECONDS === 0 ? ['Redis is flushed', 'a node has half-open connections to Redis'] : [];
    for (let n = 0; SECONDS === 0 ? n < faults.length : Date.now() < until; n++) {
      const fault = faults[n] ?? any(Object.keys(FAULTS));
      await FAULTS[fault]?.();
      await expectNoneWrong().catch((error) => {
        throw new Error(`after "${fault}", seed ${SEED}`, { cause: error });
      });
      // Often a fault meets the next one.
      if (SECONDS === 0 || below(2) === 0) await pause(below(1000));
    }
    const counts = await Promise.all(nodes.map((node) => node.ask<Counts>('close')));
    if (SECONDS > 0) console.log(`seed ${SEED}:`, counts);
    for (const { wrong, writes, checks, denials } of counts) {
      expect(wrong).toEqual([]);
      expect(writes).toBeGreaterThan(0);
      expect(checks).toBeGreaterThan(0);
      expect(SECONDS > 0 || denials > 0).toBe(true);
    }
  },
  240_000 + SECONDS * 1000,
);
