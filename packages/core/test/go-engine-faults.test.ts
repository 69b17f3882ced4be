import { type PostgresServer, startPostgres } from '@zmsg/testbed';
import { expect, inject, onTestFinished, test } from 'vitest';
import { counter, map, slice, sql } from '../dist/index.js';
import { open } from './open-engine.js';

/** The faults that were found in the Go engine of the same name, each seen not to be here. */

async function ownPostgres(): Promise<PostgresServer> {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.destroy());
  return postgres;
}

const likes = (id: string) => counter('feed_meta', 'like_count').inc(1).where('id = ?', id);

test('fault 1: a flush that fails loses nothing', async () => {
  const postgres = await ownPostgres();
  const { zm } = await open({ postgresDsn: await postgres.createDatabase(), batchInterval: '1h' });
  let failures = 0;
  zm.on('flush:transaction:failed', () => {
    failures += 1;
  });
  await zm.exec(sql(`INSERT INTO feed_meta (id) VALUES ('a')`));
  for (let n = 0; n < 10; n++) await zm.cacheAndPeriodicStore('a', null, likes('a'));
  await postgres.stop('immediate');
  const flushed = zm.flush();
  await expect.poll(() => failures, { timeout: 20_000 }).toBeGreaterThan(0);
  for (let n = 0; n < 10; n++) await zm.cacheAndPeriodicStore('a', null, likes('a'));
  await postgres.start();
  await flushed;
  await zm.flush();
  expect(await zm.query(sql('SELECT like_count::int FROM feed_meta'))).toEqual([{ like_count: 20 }]);
});

test('fault 2: two columns under one batch key never mix', async () => {
  const { zm, psql } = await open();
  await psql(`INSERT INTO feed_meta (id) VALUES ('a')`);
  for (let n = 0; n < 10; n++) {
    await zm.cacheAndPeriodicStore('a', null, likes('a').batchKey('k'));
    await zm.cacheAndPeriodicStore(
      'a',
      null,
      counter('feed_meta', 'view_count').inc(5).where('id = ?', 'a').batchKey('k'),
    );
  }
  await zm.flush();
  expect(await psql('SELECT like_count::int, view_count::int FROM feed_meta')).toEqual([
    { like_count: 10, view_count: 50 },
  ]);
});

test('fault 3: dec first, inc after mul, inc after set and two mul give what they say', async () => {
  const { zm, psql } = await open();
  await psql(`INSERT INTO feed_meta (id, like_count) VALUES ('a', 10), ('b', 10), ('c', 10), ('d', 10)`);
  const on = (id: string) => ({
    run: async (build: (c: ReturnType<typeof counter>) => ReturnType<ReturnType<typeof counter>['inc']>) => {
      await zm.cacheAndPeriodicStore(id, null, build(counter('feed_meta', 'like_count')).where('id = ?', id));
    },
  });
  await on('a').run((c) => c.dec(3));
  await on('b').run((c) => c.mul(3));
  await on('b').run((c) => c.inc(4));
  await on('c').run((c) => c.set(7));
  await on('c').run((c) => c.inc(4));
  await on('d').run((c) => c.mul(2));
  await on('d').run((c) => c.mul(3));
  await zm.flush();
  expect(await psql('SELECT id, like_count::int AS n FROM feed_meta ORDER BY id')).toEqual([
    { id: 'a', n: 7 },
    { id: 'b', n: 34 },
    { id: 'c', n: 11 },
    { id: 'd', n: 60 },
  ]);
});

test('fault 4: counters are exact past 2^53, and decimals are decimals', async () => {
  const { zm, psql } = await open();
  await psql(`INSERT INTO feed_meta (id, like_count, score) VALUES ('a', 9007199254740993, 0.1)`);
  for (let n = 0; n < 3; n++) {
    await zm.cacheAndPeriodicStore('a', null, likes('a'));
    await zm.cacheAndPeriodicStore(
      'a',
      null,
      counter('feed_meta', 'like_count')
        .inc(2n ** 60n)
        .where('id = ?', 'a'),
    );
    await zm.cacheAndPeriodicStore('a', null, counter('feed_meta', 'score').inc(0.1).where('id = ?', 'a'));
  }
  const expected = 9007199254740993n + 3n + 3n * 2n ** 60n;
  const read = counter('feed_meta', 'like_count').get().where('id = ?', 'a');
  expect(await zm.query(read)).toEqual([{ like_count: expected }]);
  await zm.flush();
  expect(await psql('SELECT like_count, score FROM feed_meta')).toEqual([
    { like_count: String(expected), score: '0.4' },
  ]);
});

test('fault 5: one transaction and one statement write a whole flush', async () => {
  const { zm, psql } = await open({ batchShards: 1, batchInterval: '1h' });
  await psql(`INSERT INTO feed_meta (id) SELECT 'p' || n FROM generate_series(1, 500) n`);
  const before = zm.stats().shards;
  const all = Array.from({ length: 2_000 }, (_, n) => {
    const id = `p${(n % 500) + 1}`;
    return zm.cacheAndPeriodicStore(id, null, likes(id));
  });
  await Promise.all(all);
  await zm.flush();
  const after = zm.stats().shards;
  expect({
    flushes: after.flushes - before.flushes,
    statements: after.statements - before.statements,
  }).toEqual({
    flushes: 1,
    statements: 1,
  });
  expect(
    await psql('SELECT sum(like_count)::int AS n, count(DISTINCT xmin::text)::int AS t FROM feed_meta'),
  ).toEqual([{ n: 2_000, t: 1 }]);
});

test('fault 7: a counter task without a value leaves the cached value alone', async () => {
  const { zm, psql } = await open();
  await psql(`INSERT INTO feed_meta (id) VALUES ('a')`);
  await zm.cacheOnly('a', Buffer.from('profile'));
  await zm.cacheAndPeriodicStore('a', null, likes('a'));
  await zm.flush();
  expect((await zm.get('a'))?.toString()).toBe('profile');
});

test('fault 8: a node id is renewed while the engine lives, and no two engines share one', async () => {
  const first = await open({ idLeaseTtl: '1s' });
  const second = await open({ postgresDsn: first.dsn, idLeaseTtl: '1s' });
  const node = (zm: typeof first.zm) => zm.parseId(zm.nextId('x')).node;
  const nodes = [node(first.zm), node(second.zm)];
  expect(nodes[0]).not.toBe(nodes[1]);
  const expiry = () =>
    first
      .psql(`SELECT max(expires_at) AS at FROM zmsg_nodes WHERE owner IS NOT NULL`)
      .then((rows) => rows[0]?.at as Date);
  const start = await expiry();
  await expect
    .poll(async () => (await expiry()).getTime() - start.getTime(), { timeout: 20_000 })
    .toBeGreaterThan(1_500);
  expect([node(first.zm), node(second.zm)]).toEqual(nodes);
  const third = await open({ postgresDsn: first.dsn });
  expect(nodes).not.toContain(node(third.zm));
});

test('fault 9: a key that another node has just added is never answered as absent', async () => {
  const redisAddr = inject('redisAddr');
  const a = await open({ redisAddr });
  const b = await open({ redisAddr, postgresDsn: a.dsn, cachePrefix: a.options.cachePrefix });
  expect(await b.zm.get('warm')).toBeUndefined();
  for (let n = 0; n < 50; n++) {
    const key = `shared_${n}`;
    await a.zm.cacheAndStore(key, Buffer.from('v'));
    await a.zm.del(key); // out of L2: only the database and the filter know it
    expect(await b.zm.dbHit(key)).toBe(true);
    expect((await b.zm.get(key))?.toString()).toBe('v');
  }
});

test('fault 10: the table that get falls back to is the one that writes fill', async () => {
  const { zm } = await open();
  await zm.cacheAndStore('a', Buffer.from('strong'));
  await zm.cacheAndPeriodicStore('b', Buffer.from('periodic'));
  await zm.flush();
  for (const key of ['a', 'b']) await zm.del(key);
  expect([(await zm.get('a'))?.toString(), (await zm.get('b'))?.toString()]).toEqual(['strong', 'periodic']);
});

test('fault 12: a question mark in a literal is text, and a map key is data', async () => {
  const { zm, psql } = await open();
  await zm.exec(sql(`INSERT INTO feeds (id, content) VALUES (?, 'why? -- ?') /* ? */`, 'a'));
  expect(await psql('SELECT content FROM feeds')).toEqual([{ content: 'why? -- ?' }]);
  await psql(`INSERT INTO feed_meta (id) VALUES ('a')`);
  const key = `k'; DROP TABLE feeds; --"`;
  await zm.cacheAndPeriodicStore(
    'a',
    null,
    map('feed_meta', 'extra').set(key, { "it's": '"quoted"' }).where('id = ?', 'a'),
  );
  await zm.cacheAndPeriodicStore('a', null, slice('feed_meta', 'tags').add(key).where('id = ?', 'a'));
  await zm.flush();
  expect(await psql('SELECT extra, tags FROM feed_meta')).toEqual([
    { extra: { [key]: { "it's": '"quoted"' } }, tags: [key] },
  ]);
  expect(await zm.query(sql(`SELECT extra ?? ? AS has FROM feed_meta`, key))).toEqual([{ has: true }]);
});

test('fault 13: a task that matches no row is counted and reported', async () => {
  const { zm } = await open();
  const events: unknown[] = [];
  zm.on('flush:task:unmatched', (event) => events.push(event));
  for (let n = 0; n < 3; n++) await zm.cacheAndPeriodicStore('ghost', null, likes('ghost'));
  await zm.flush();
  expect(zm.stats().shards.unmatched).toBe(3);
  await expect
    .poll(() => events)
    .toEqual([expect.objectContaining({ table: 'feed_meta', column: 'like_count', operations: 3 })]);
  const upsert = likes('ghost').orInsert({ id: 'ghost' });
  for (let n = 0; n < 3; n++) await zm.cacheAndPeriodicStore('ghost', null, upsert);
  await zm.flush();
  expect(zm.stats().shards.unmatched).toBe(3);
  expect(await zm.query(sql('SELECT like_count::int FROM feed_meta'))).toEqual([{ like_count: 3 }]);
});
