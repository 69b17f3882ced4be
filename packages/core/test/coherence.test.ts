import { startTcpProxy } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import pg from 'pg';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { BOUNDS } from '../dist/coherence/bounds.js';
import { type CoherenceEvent, sql, type ZMsg } from '../dist/index.js';
import { Intents } from '../dist/write/intents.js';
import { StrongWrites } from '../dist/write/strong-writes.js';
import { type Fleet, openFleet } from './coherence-nodes.js';
import { open } from './open-engine.js';

let fleet: Fleet;
let a: ZMsg;
let b: ZMsg;
let c: ZMsg;

beforeAll(async () => {
  fleet = await openFleet({ batchInterval: '1h' });
  [a, b, c] = fleet.nodes;
});

afterAll(() => fleet.close());

const PATIENT = { timeout: 30_000, interval: 5 };
const read = async (zm: ZMsg, key: string) => (await zm.get(key))?.toString();
const put = (zm: ZMsg, key: string, value: string) => zm.cacheAndStore(key, Buffer.from(value));
/** All nodes, which then have it in L1. */
async function everywhere(key: string, value: string | undefined): Promise<void> {
  for (const zm of fleet.nodes) await expect.poll(() => read(zm, key), PATIENT).toBe(value);
}
const stored = async (key: string) => {
  const [row] = await fleet.psql('SELECT data FROM zmsg_data WHERE id = $1', [key]);
  return (row?.data as Buffer | undefined)?.toString();
};
const trusted = () => expect.poll(() => fleet.nodes.map((zm) => zm.stats().coherence?.state), PATIENT);

test.each<[string, (key: string) => Promise<unknown>, string | undefined]>([
  ['cacheAndStore', (key) => put(b, key, 'new'), 'new'],
  ['cacheOnly', (key) => b.cacheOnly(key, Buffer.from('new')), 'new'],
  ['update', (key) => b.update(key, Buffer.from('new')), 'new'],
  ['updateStore', (key) => b.updateStore(key, Buffer.from('new')), 'new'],
  ['delStore', (key) => b.delStore(key), undefined],
  [
    'a batch',
    (key) =>
      b.batch().cacheAndStore(key, Buffer.from('new')).cacheOnly(`${key}x`, Buffer.from('x')).execute(),
    'new',
  ],
  ['a periodic write', (key) => b.cacheAndPeriodicStore(key, Buffer.from('new')), 'new'],
  [
    'a delayed write',
    (key) => b.cacheAndDelayStore(key, Buffer.from('new'), undefined, { delay: '1h' }),
    'new',
  ],
  [
    'del, after the row was changed past the engine',
    async (key) => {
      await fleet.psql(`UPDATE zmsg_data SET data = 'new' WHERE id = $1`, [key]);
      await b.del(key);
    },
    'new',
  ],
])('%s on one node is seen on the others', async (what, write, seen) => {
  const key = `seen ${what}`;
  await put(a, key, 'old');
  await everywhere(key, 'old');
  await write(key);
  await everywhere(key, seen);
});

test('a node does not act on what it told the others itself', async () => {
  await put(a, 'own', 'value');
  expect(a.peek('own')?.toString()).toBe('value');
  const heard = a.stats().coherence?.receivedKeys;
  await put(a, 'own', 'again');
  await everywhere('own', 'again');
  expect(a.peek('own')?.toString()).toBe('again');
  expect(a.stats().coherence?.receivedKeys).toBe(heard);
});

test('a load that began before a write of another node is filled nowhere', async () => {
  await fleet.psql(`INSERT INTO zmsg_data (id, data) VALUES ('slow_1', 'old'), ('slow_2', 'old')`);
  await a.announce(['slow_1', 'slow_2']);
  const loads: string[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  b.loader(
    'slow_',
    async (keys, db) => {
      const { rows } = await db.exec<{ id: string; data: Buffer }>(
        'SELECT id, data FROM zmsg_data WHERE id = ANY($1)',
        [keys],
      );
      loads.push(...keys);
      await gate;
      return new Map(rows.map(({ id, data }) => [id, data]));
    },
    { bloom: false },
  );
  const loading = Promise.all([read(b, 'slow_1'), read(b, 'slow_2')]);
  await expect.poll(() => loads.length, PATIENT).toBe(2);
  await put(a, 'slow_1', 'new');
  await fleet.psql(`UPDATE zmsg_data SET data = 'new' WHERE id = 'slow_2'`);
  await a.del('slow_2');
  await expect.poll(() => b.stats().coherence?.receivedKeys, PATIENT).toBeGreaterThan(0);
  release();
  expect(await loading).toEqual(['old', 'old']);
  for (const key of ['slow_1', 'slow_2']) {
    await everywhere(key, 'new');
    for (const zm of fleet.nodes) expect(await read(zm, key)).toBe('new');
  }
});

test('two nodes write one key at one time: all have what was committed last', async () => {
  await put(a, 'contended', 'first');
  const lock = new pg.Client({ connectionString: fleet.dsn });
  await lock.connect();
  try {
    for (let round = 0; round < 10; round++) {
      await lock.query('BEGIN');
      await lock.query(`SELECT 1 FROM zmsg_data WHERE id = 'contended' FOR UPDATE`);
      const writes = [put(a, 'contended', `A${round}`), put(b, 'contended', `B${round}`)];
      const waiting = `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND pid IN
        (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`;
      await expect.poll(async () => (await lock.query(waiting)).rows[0].n, PATIENT).toBe(2);
      await lock.query('COMMIT');
      await Promise.all(writes);
      await everywhere('contended', await stored('contended'));
    }
  } finally {
    await lock.end();
  }
});

test('a value that another node may have replaced before it was cached is not kept', async () => {
  const l1 = SharedLRU.create({ maxBytes: 2 ** 20 });
  const intents = new Intents();
  const reader = { supersede: () => {} } as never;
  const strong = new StrongWrites({ l1, l2: undefined, reader, coherence: undefined, intents });
  l1.set('k', Buffer.from('old'));
  const [overtaken] = await strong.begin(['k']);
  intents.overtake('k');
  await strong.set(overtaken as never, Buffer.from('new'), 1000);
  expect(l1.get('k')).toBeUndefined();
  const [alone] = await strong.begin(['k']);
  intents.overtake('other');
  await strong.set(alone as never, Buffer.from('new'), 1000);
  expect(l1.get('k')?.toString()).toBe('new');
  const [doubtful] = await strong.begin(['k']);
  intents.overtakeAll();
  await strong.set(doubtful as never, Buffer.from('newer'), 1000);
  expect(l1.get('k')).toBeUndefined();
});

test('a statement that is refused leaves the value in the caches', async () => {
  await put(a, 'kept', 'value');
  await everywhere('kept', 'value');
  const refused = sql('INSERT INTO no_such_table (id) VALUES (?)', 1);
  await expect(b.cacheAndStore('kept', Buffer.from('no'), refused)).rejects.toThrow(/no_such_table/);
  await fleet.psql(`UPDATE zmsg_data SET data = 'past the engine' WHERE id = 'kept'`);
  for (const zm of fleet.nodes) expect(await read(zm, 'kept')).toBe('value');
});

test('what a node writes while it cannot reach Redis is read on the others, and stays when it is back', async () => {
  const lost: CoherenceEvent[] = [];
  b.on('coherence:link:lost', (event) => lost.push(event));
  await put(a, 'away', 'old');
  await put(a, 'gone', 'old');
  await everywhere('away', 'old');
  await everywhere('gone', 'old');
  fleet.links[0].stall();
  await put(a, 'away', 'new');
  await a.delStore('gone');
  expect(await read(a, 'away')).toBe('new');
  for (const zm of [b, c]) {
    await expect.poll(() => read(zm, 'away'), PATIENT).toBe('new');
    await expect.poll(() => read(zm, 'gone'), PATIENT).toBe(undefined);
  }
  expect(lost.length).toBeGreaterThan(0);
  // In doubt, what lives in the caches alone is still found.
  await c.cacheOnly('session', Buffer.from('s'));
  await expect.poll(() => read(b, 'session'), PATIENT).toBe('s');
  fleet.links[0].heal();
  await trusted().toEqual(['trusted', 'trusted', 'trusted']);
  await everywhere('away', 'new');
  await everywhere('gone', undefined);
  expect(a.stats().l2?.dirtyKeys).toBe(0);
});

test.each<[string, (value: Buffer) => Promise<unknown>]>([
  ['a periodic write', (value) => a.cacheAndPeriodicStore('ahead', value)],
  ['a batch', (value) => a.batch().cacheAndPeriodicStore('ahead', value).execute()],
])(
  'what was loaded while %s was pending, its value gone from Redis, is dropped when it is committed',
  async (what, write) => {
    await put(a, 'ahead', 'old');
    await everywhere('ahead', 'old');
    await write(Buffer.from(what));
    for (const zm of [b, c]) await expect.poll(() => zm.peek('ahead'), PATIENT).toBe(undefined);
    const redis = new Redis(`redis://${fleet.redis.addr}`);
    try {
      const [name = ''] = await redis.keys('*v:ahead');
      expect(await redis.del(name)).toBe(1);
    } finally {
      redis.disconnect();
    }
    expect(await read(c, 'ahead')).toBe('old');
    await a.flush();
    await everywhere('ahead', what);
  },
);

test('the others drop what they loaded while a write was pending also when the flush is that of close()', async () => {
  const proxy = await startTcpProxy(Number(fleet.redis.addr.split(':')[1]));
  onTestFinished(() => proxy.close());
  const { zm: leaving } = await open({
    postgresDsn: fleet.dsn,
    redisAddr: proxy.addr,
    cachePrefix: fleet.cachePrefix,
    batchInterval: '1h',
    batchShards: 1,
    delayBackend: 'postgres',
  });
  const keys = Array.from({ length: 50 }, (_, n) => `at close ${n}`);
  await Promise.all(keys.map((key) => put(a, key, 'old')));
  await Promise.all(keys.map((key) => leaving.cacheAndPeriodicStore(key, Buffer.from('new'))));
  const redis = new Redis(`redis://${fleet.redis.addr}`);
  onTestFinished(() => redis.disconnect());
  for (const key of keys) {
    await expect.poll(() => b.peek(key), PATIENT).toBe(undefined);
    expect(await redis.del(`${fleet.cachePrefix}v:${key}`)).toBe(1);
    expect(await read(b, key)).toBe('old');
  }
  // What the last flush has to say takes longer than to close the shards.
  proxy.delayMs = 30;
  await leaving.close();
  for (const key of keys) await everywhere(key, 'new');
});

test('a periodic write that is committed leaves its value in the caches', async () => {
  const heard = () => b.stats().coherence?.receivedKeys ?? 0;
  const before = heard();
  await a.cacheAndPeriodicStore('in time', Buffer.from('value'));
  await expect.poll(heard, PATIENT).toBe(before + 1);
  await everywhere('in time', 'value');
  const loads = b.stats().load.keys;
  await a.flush();
  await put(a, 'told after it', 'x');
  await expect.poll(heard, PATIENT).toBe(before + 2);
  expect(b.peek('in time')?.toString()).toBe('value');
  expect(a.peek('in time')?.toString()).toBe('value');
  expect(b.stats().load.keys).toBe(loads);
});

test('in doubt, a load that takes long is not kept, and nobody joins it any more', async () => {
  await fleet.psql(`INSERT INTO zmsg_data (id, data) VALUES ('aged_1', 'old')`);
  const releases: (() => void)[] = [];
  b.loader(
    'aged_',
    async (keys, db) => {
      const { rows } = await db.exec<{ id: string; data: Buffer }>(
        'SELECT id, data FROM zmsg_data WHERE id = ANY($1)',
        [keys],
      );
      await new Promise<void>((resolve) => releases.push(resolve));
      return new Map(rows.map(({ id, data }) => [id, data]));
    },
    { bloom: false },
  );
  fleet.links[1].stall();
  await expect.poll(() => b.stats().coherence?.state, PATIENT).toBe('doubt');
  const first = read(b, 'aged_1');
  await expect.poll(() => releases.length, PATIENT).toBe(1);
  const sinceMs = performance.now();
  await put(a, 'aged_1', 'new');
  // As long as anything may live in L1 now.
  await expect.poll(() => performance.now() - sinceMs, PATIENT).toBeGreaterThan(BOUNDS.doubtTtlMs);
  const second = read(b, 'aged_1');
  await expect.poll(() => releases.length, PATIENT).toBe(2);
  releases[0]?.();
  expect(await first).toBe('old');
  expect(b.peek('aged_1')).toBe(undefined);
  releases[1]?.();
  expect(await second).toBe('new');
  fleet.links[1].heal();
  await trusted().toEqual(['trusted', 'trusted', 'trusted']);
});

test('Redis restarts: everything is read from the database, and the nodes hear each other again', async () => {
  await put(a, 'restart', 'old');
  await everywhere('restart', 'old');
  await fleet.redis.stop('SIGKILL');
  await put(b, 'restart', 'new');
  await everywhere('restart', 'new');
  await fleet.redis.start();
  await trusted().toEqual(['trusted', 'trusted', 'trusted']);
  await everywhere('restart', 'new');
  await put(c, 'restart', 'newest');
  await everywhere('restart', 'newest');
});
