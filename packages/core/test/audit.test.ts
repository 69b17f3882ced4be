import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase, type RedisServer, startRedis } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type AuditOptions, type AuditReport, auditFleet } from '../dist/audit/index.js';
import { SharedCopies } from '../dist/audit/shared-copies.js';
import { sql, ZMsg, type ZMsgOptions } from '../dist/index.js';
import { encodeTierValue } from '../dist/l2/tier-value.js';
import { freshPrefix, statements } from './open-engine.js';

/** Two engines over one Redis and one database. */
let redis: RedisServer;
let client: Redis;
let config: ZMsgOptions;
let a: ZMsg;
let b: ZMsg;
let psql: ReturnType<typeof statements>;
const dir = mkdtempSync(join(tmpdir(), 'zmsg-audit-'));

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(`redis://${redis.addr}`);
  const postgresDsn = await createDatabase(inject('postgresPort'));
  config = { postgresDsn, redisAddr: redis.addr, cachePrefix: freshPrefix(), logLevel: 'error' };
  psql = statements(postgresDsn);
  await psql('CREATE TABLE feeds (id text PRIMARY KEY, content text)');
  const engine = {
    ...config,
    batchShards: 1,
    redisPoolSize: 1,
    delayBackend: 'postgres',
    bloomEnabled: false,
  } as const;
  a = await ZMsg.open({ ...engine, dataDir: join(dir, 'a') });
  b = await ZMsg.open({ ...engine, dataDir: join(dir, 'b') });
  for (const zm of [a, b]) zm.loader('feed_', { table: 'feeds', key: 'id', column: 'content' });
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  rmSync(dir, { recursive: true, force: true });
  client.disconnect();
  await redis.destroy();
});

/** Of keys that are given, and short: what is seen twice is beyond the bound. */
function audit(keys: readonly string[], more: AuditOptions = {}): Promise<AuditReport> {
  const short = { samples: 0, settleMs: 20, followMs: 100, boundMs: 1, timeoutMs: 20_000 };
  return auditFleet({ config, keys, ...short, ...more });
}

const l2 = (key: string) => `${config.cachePrefix}v:${key}`;
const bytes = (text: string) => Buffer.from(text);

/** What the nodes told each other has arrived: what they read from now on stays. */
async function settled(): Promise<void> {
  const told = () => [a, b].map((zm) => zm.stats().coherence);
  await expect
    .poll(() => told().map((each, at) => (each?.receivedKeys ?? 0) - (told()[1 - at]?.sentKeys ?? 0)), {
      timeout: 30_000,
      interval: 5,
    })
    .toEqual([0, 0]);
}

async function readBy(zm: ZMsg, ...keys: string[]): Promise<void> {
  await settled();
  await zm.getMany(keys);
}
const nodeIdOf = (zm: ZMsg) => zm.parseId(zm.nextId()).node;

/** The findings, by the node id of where they are. */
function findings({ findings, nodes }: AuditReport) {
  const byInstance = new Map(nodes.map(({ instance, name }) => [instance, name?.nodeId]));
  return findings.map(({ key, tier, instance, against }) => ({
    key,
    at: tier === 'L2' ? 'L2' : byInstance.get(instance as string),
    against,
  }));
}

/** Past the engine. */
const change = (key: string, data: string) =>
  psql('UPDATE zmsg_data SET data = $2 WHERE id = $1', [key, bytes(data)]);

test('values of every kind are consistent, and are found by drawing keys from L1 and L2', async () => {
  const keys: string[] = [];
  const put = async (key: string, write: (key: string) => Promise<unknown>) => {
    keys.push(key);
    await write(key);
    await readBy(b, key);
  };
  for (let n = 0; n < 5; n++) {
    await put(`own_${n}`, (key) => a.cacheAndStore(key, bytes('own')));
    await put(`cached_${n}`, (key) => a.cacheOnly(key, bytes('cached')));
    await put(`later_${n}`, (key) => a.cacheAndPeriodicStore(key, bytes('later')));
    await put(`feed_${n}`, (key) => psql(`INSERT INTO feeds VALUES ($1, 'content')`, [key]));
    await put(`built_${n}`, (key) => a.cacheAndStore(key, bytes('no row'), sql('SELECT 1')));
  }
  const given = await audit(keys);
  expect(given).toMatchObject({ isConsistent: true, stale: 0, ahead: 0, alone: 0, unlike: 0, unloaded: 0 });
  expect(given).toMatchObject({ sampled: 25, compared: given.consistent });
  // Of `feed_` node a has none; what has no row, or is ahead of it, is held against L2.
  expect(given.comparedWith).toMatchObject({ database: 25, L2: 30, copies: 0, nothing: 0 });
  const drawn = await audit([], { samples: 40, rate: 100 });
  expect(drawn).toMatchObject({ isConsistent: true, stale: 0 });
  expect(drawn.sampled).toBeGreaterThanOrEqual(10);
  expect(drawn.sampled).toBeLessThanOrEqual(40);
  expect(drawn.nodes.map(({ name }) => name?.nodeId).sort()).toEqual([nodeIdOf(a), nodeIdOf(b)].sort());
  // At most `rate` looks in a second.
  expect(drawn.durationMs).toBeGreaterThanOrEqual((drawn.sampled - 50) * 10);
});

test('keys that L2 alone has are drawn among whatever else Redis has', async () => {
  const cachePrefix = freshPrefix();
  const { redisAddr } = config as { redisAddr: string };
  const endpoint = { redisAddr: [redisAddr], redisPassword: '', redisDb: 0 };
  const shared = await SharedCopies.open({ ...endpoint, cachePrefix, timeoutMs: 20_000 });
  try {
    const keys = Array.from({ length: 12 }, (_, n) => `only_${n}`);
    const record = encodeTierValue(bytes('v'), 'cached', 60_000, Date.now());
    for (const key of keys) await client.set(`${cachePrefix}v:${key}`, record);
    const drawn = new Set<string>();
    for (let n = 0; n < 500 && drawn.size < keys.length; n++) {
      const sample = await shared.sample(4);
      expect(sample.length).toBeLessThanOrEqual(4);
      for (const key of sample) drawn.add(key);
    }
    expect([...drawn].sort()).toEqual(keys.sort());
    expect(await shared.hasEvicted()).toBe(false);
  } finally {
    await shared.close();
  }
});

test('a copy in L1 that is older than L2 and the row is found at its node, until the key is deleted', async () => {
  await a.cacheAndStore('k1', bytes('old'));
  await change('k1', 'new');
  await client.del(l2('k1'));
  await readBy(b, 'k1'); // from the row, into L2
  const report = await audit(['k1']);
  expect(findings(report)).toEqual([{ key: 'k1', at: nodeIdOf(a), against: 'database' }]);
  expect(report).toMatchObject({ isConsistent: false, compared: 3, consistent: 2, stale: 1 });
  const [finding] = report.findings;
  expect(finding).toMatchObject({ isGone: false });
  expect(finding?.ageMs).toBeGreaterThanOrEqual(20);
  expect(report.nodes.map(({ stale }) => stale).sort()).toEqual([0, 1]);
  await b.del('k1');
  expect(await audit(['k1'])).toMatchObject({ isConsistent: true, stale: 0 });
});

test('a copy in L1 that L2 does not have is held against the row', async () => {
  await b.cacheAndStore('k2', bytes('old'));
  await client.del(l2('k2'));
  expect(await audit(['k2'])).toMatchObject({ isConsistent: true, compared: 1 });
  await change('k2', 'new');
  expect(findings(await audit(['k2']))).toEqual([{ key: 'k2', at: nodeIdOf(b), against: 'database' }]);
  await b.del('k2');
});

test('all copies are stale when the row was changed past the engines', async () => {
  await psql(`INSERT INTO feeds VALUES ('feed_sql', 'old'), ('feed_gone', 'old')`);
  for (const zm of [a, b]) await readBy(zm, 'feed_sql', 'feed_gone');
  await psql(`UPDATE feeds SET content = 'new' WHERE id = 'feed_sql'`);
  await psql(`DELETE FROM feeds WHERE id = 'feed_gone'`);
  const places = [nodeIdOf(a), nodeIdOf(b), 'L2'];
  const against = 'database';
  const report = await audit(['feed_sql', 'feed_gone']);
  for (const key of ['feed_sql', 'feed_gone']) {
    const found = findings(report).filter((each) => each.key === key);
    expect(found).toHaveLength(3);
    expect(found).toEqual(expect.arrayContaining(places.map((at) => ({ key, at, against }))));
  }
  for (const key of ['feed_sql', 'feed_gone']) await a.del(key);
});

test('what is cached alike everywhere, but not as the loader builds it, is called so', async () => {
  const task = sql(`INSERT INTO feeds VALUES ('feed_unlike', 'as it is stored')`);
  await a.cacheAndStore('feed_unlike', bytes('as it is cached'), task);
  await readBy(b, 'feed_unlike');
  const report = await audit(['feed_unlike']);
  expect(report).toMatchObject({ isConsistent: true, stale: 0, unlike: 1, unlikeKeys: ['feed_unlike'] });
  expect(report.comparedWith).toMatchObject({ L2: 2, database: 0 });
  expect(await audit(['feed_unlike'], { exactPrefixes: ['feed_'] })).toMatchObject({ stale: 3, unlike: 0 });
  await client.del(l2('feed_unlike'));
  await a.del('feed_unlike');
  await readBy(b, 'feed_unlike');
  expect(await audit(['feed_unlike'])).toMatchObject({ isConsistent: true, unlike: 0, compared: 2 });
});

test('values that live in the caches alone are held against L2, and a row that is none is not missed', async () => {
  await a.cacheOnly('c1', bytes('one'));
  await readBy(b, 'c1');
  expect(await audit(['c1'])).toMatchObject({ isConsistent: true, comparedWith: { L2: 2 } });
  await client.set(l2('c1'), encodeTierValue(bytes('two'), 'cached', 60_000, Date.now()));
  const different = await audit(['c1']);
  expect(different).toMatchObject({ isConsistent: false, stale: 2, comparedWith: { L2: 2 } });
  await client.del(l2('c1'));
  const orphaned = await audit(['c1']);
  expect(orphaned.findings.map(({ against }) => against)).toEqual(['nothing', 'nothing']);
  await a.cacheOnly('c1', bytes('three'));
  expect(await audit(['c1'])).toMatchObject({ isConsistent: true, alone: 0, compared: 1 });
});

test('what is written meanwhile is in flight, not stale', async () => {
  const keys = Array.from({ length: 40 }, (_, n) => `hot_${n}`);
  for (const key of keys) await a.cacheAndStore(key, bytes('0'));
  let isOver = false;
  // Two values in turn: a look cannot tell a new write from an old copy by the bytes.
  const write = async (zm: ZMsg, at: number) => {
    for (let n = 0; !isOver; n++) {
      const key = keys[(at + n) % keys.length] as string;
      if (n % 7 === 6) await zm.delStore(key, sql('DELETE FROM zmsg_data WHERE id = ?', key));
      else await zm.cacheAndStore(key, bytes(String(n % 2)));
      await (zm === a ? b : a).get(key);
    }
  };
  const writers = [a, b, a, b].map((zm, at) => write(zm, at * 10));
  const report = await audit(keys, { samples: 400, rate: 1_000, boundMs: 4_000, followMs: 5_000 });
  isOver = true;
  await Promise.all(writers);
  expect(report).toMatchObject({ isConsistent: true, staleBeyondBound: 0 });
  expect(report.inFlight + report.ahead + report.stale).toBeGreaterThan(0);
  expect(await audit(keys)).toMatchObject({ isConsistent: true, stale: 0, inFlight: 0 });
});

test('a node that does not answer is named, and the others are compared all the same', async () => {
  const fleet = `${config.cachePrefix}coherence:0`;
  const silent = 'f'.repeat(32);
  await psql(`INSERT INTO zmsg_members VALUES ($1, $2, now() + interval '1 hour', false)`, [silent, fleet]);
  try {
    await a.cacheOnly('k3', bytes('v'));
    await readBy(b, 'k3');
    const report = await audit(['k3'], { timeoutMs: 2_000 });
    expect(report).toMatchObject({ isConsistent: true, compared: 2 });
    const answered = report.nodes.map(({ instance, asked, answered }) => [
      instance === silent,
      asked,
      answered,
    ]);
    expect(answered.sort()).toEqual([
      [false, 1, 1],
      [false, 1, 1],
      [true, 1, 0],
    ]);
  } finally {
    await psql('DELETE FROM zmsg_members WHERE instance = $1', [silent]);
  }
});

test('an auditor leaves no trace: no member, no peer, no doubt', async () => {
  const alone = { state: 'trusted', peers: 1 };
  await expect.poll(() => a.stats().coherence, { timeout: 30_000 }).toMatchObject(alone);
  const before = a.stats().coherence;
  await audit(['k3']);
  const after = a.stats().coherence;
  expect(after).toMatchObject({ ...alone, doubts: before?.doubts, gaps: before?.gaps });
  expect(await psql('SELECT instance FROM zmsg_members')).toHaveLength(2);
});

test('an audit that cannot be made says why', async () => {
  await expect(audit([], { samples: -1 })).rejects.toThrow(/samples must be a number from 0/);
  await expect(audit([], { rate: 0 })).rejects.toThrow(/rate must be/);
  await expect(audit([''])).rejects.toMatchObject({ code: 'INVALID_KEY' });
  const { redisAddr, ...noRedis } = config;
  await expect(auditFleet({ config: noRedis })).rejects.toThrow(/no redis_addr/);
  await expect(auditFleet({ config: { redisAddr } as ZMsgOptions })).rejects.toThrow(/no postgres_dsn/);
  const postgresDsn = await createDatabase(inject('postgresPort'));
  await expect(auditFleet({ config: { ...config, postgresDsn } })).rejects.toThrow(
    /no engine was ever opened/,
  );
  const away = 'postgresql://u:geheim@127.0.0.1:1/d';
  await expect(auditFleet({ config: { ...config, postgresDsn: away } })).rejects.toThrow(/ECONNREFUSED/);
  const nobody = { ...config, cachePrefix: freshPrefix() };
  await expect(auditFleet({ config: nobody })).rejects.toThrow(/no node is there/);
});
