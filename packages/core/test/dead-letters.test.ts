import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { withDeadLetters } from '../dist/dead-letters/index.js';
import { counter, sql, type ZMsg } from '../dist/index.js';
import { freshDir, open, statements } from './open-engine.js';

const likes = (id: string, n = 1) => counter('feed_meta', 'like_count').inc(n).where('id = ?', id);

/** Three letters on a table that takes no more than 10 likes. */
async function refuseThree(zm: ZMsg, psql: (text: string) => Promise<unknown>): Promise<void> {
  await psql(`INSERT INTO feed_meta (id) VALUES ('a'), ('b'), ('c');
    ALTER TABLE feed_meta ADD CONSTRAINT few CHECK (like_count <= 10)`);
  await zm.cacheAndPeriodicStore('a', null, likes('a', 11));
  await zm.cacheAndPeriodicStore('b', null, likes('b', 5));
  await zm.flush();
  await zm.cacheAndPeriodicStore('b', null, likes('b', 6));
  await zm.flush();
  await zm.cacheAndPeriodicStore('c', null, sql('INSERT INTO feed_meta (id) VALUES (?)', 'c'));
  await zm.flush();
}

test('refused writes are reported, listed, shown and counted', async () => {
  const { zm, psql } = await open();
  const refused: unknown[] = [];
  zm.on('flush:task:refused', (event) => refused.push(event));
  await refuseThree(zm, psql);
  await expect.poll(() => refused.length).toBe(3);
  expect(refused[0]).toMatchObject({
    table: 'feed_meta',
    column: 'like_count',
    sqlState: '23514',
    deadLetters: 1,
  });
  expect(zm.stats().shards.deadLetters).toBe(3);
  const letters = zm.deadLetters();
  expect(await letters.count()).toBe(3);
  const all = await letters.list();
  expect(all).toMatchObject([
    {
      kind: 'counter',
      table: 'feed_meta',
      column: 'like_count',
      where: 'id = ?',
      sqlState: '23514',
      attempts: 1,
    },
    { kind: 'counter', operations: 1 },
    { kind: 'content', table: undefined, text: 'INSERT INTO feed_meta (id) VALUES ($1)', sqlState: '23505' },
  ]);
  expect(Math.abs((all[0]?.lastFailedAtMs ?? 0) - Date.now())).toBeLessThan(600_000);
  expect(JSON.stringify(all[0])).not.toContain('"a"');
  expect(await letters.list({ limit: 1, after: all[0]?.id as string })).toEqual([all[1]]);
  expect(await letters.get(all[1]?.id as string)).toMatchObject({
    change: '+ 6',
    whereValues: ['b'],
    canRetry: true,
    statements: [{ values: ['6', 'b'] }],
  });
  expect(await letters.get('999')).toBeUndefined();
});

test('a retry applies once and deletes, or counts another attempt and says why', async () => {
  const { zm, psql } = await open();
  await refuseThree(zm, psql);
  const letters = zm.deadLetters();
  const ids = (await letters.list()).map(({ id }) => id) as [string, string, string];
  expect(await letters.retry(ids[0])).toMatchObject([
    { id: ids[0], outcome: 'refused', sqlState: '23514', error: expect.stringContaining('few') },
  ]);
  expect(await letters.get(ids[0])).toMatchObject({ attempts: 2 });
  await psql('ALTER TABLE feed_meta DROP CONSTRAINT few');
  expect(await letters.retry([...ids, '999'])).toMatchObject([
    { outcome: 'applied', rowCount: 1 },
    { outcome: 'applied', rowCount: 1 },
    { outcome: 'refused', sqlState: '23505' },
    { id: '999', outcome: 'absent' },
  ]);
  expect(await psql('SELECT id, like_count::int AS n FROM feed_meta ORDER BY id')).toEqual([
    { id: 'a', n: 11 },
    { id: 'b', n: 11 },
    { id: 'c', n: 0 },
  ]);
  await psql(`DELETE FROM feed_meta WHERE id = 'c'`);
  expect(await letters.discard([ids[2], ids[0]])).toBe(1);
  expect(await letters.count()).toBe(0);
});

test('two operators who retry everything at the same time apply each task once', async () => {
  const { zm, psql, dsn } = await open();
  await psql(`INSERT INTO feed_meta (id) SELECT 'p' || n FROM generate_series(1, 60) n;
    ALTER TABLE feed_meta ADD CONSTRAINT none CHECK (like_count < 1)`);
  for (let n = 1; n <= 60; n++) await zm.cacheAndPeriodicStore(`p${n}`, null, likes(`p${n}`));
  await zm.flush();
  await psql('ALTER TABLE feed_meta DROP CONSTRAINT none');
  const ids = (await zm.deadLetters().list()).map(({ id }) => id);
  expect(ids).toHaveLength(60);
  const [mine, theirs] = await Promise.all([
    zm.deadLetters().retry(ids),
    withDeadLetters({ config: { postgresDsn: dsn } }, (letters) => letters.retry(ids.toReversed())),
  ]);
  const applied = [...mine, ...theirs].filter(({ outcome }) => outcome === 'applied');
  expect(applied).toHaveLength(60);
  expect(await psql('SELECT sum(like_count)::int AS n FROM feed_meta')).toEqual([{ n: 60 }]);
  expect(await zm.deadLetters().count()).toBe(0);
});

test('a letter that another retry holds is absent for this one, which does not wait', async () => {
  const { zm, psql, dsn } = await open();
  await refuseThree(zm, psql);
  const [first] = await zm.deadLetters().list();
  const other = new pg.Client({ connectionString: dsn });
  await other.connect();
  await other.query('BEGIN');
  await other.query('SELECT FROM zmsg_dead_letters WHERE id = $1 FOR UPDATE', [first?.id]);
  expect(await zm.deadLetters().retry(first?.id as string)).toEqual([{ id: first?.id, outcome: 'absent' }]);
  await other.end();
});

test('what COMMIT refuses again stays a dead letter', async () => {
  const { zm, psql } = await open();
  await psql('CREATE TABLE child (feed text REFERENCES feeds DEFERRABLE INITIALLY DEFERRED)');
  await zm.cacheAndPeriodicStore('x', null, sql('INSERT INTO child VALUES (?)', 'x'));
  await zm.flush();
  const [letter] = await zm.deadLetters().list();
  expect(await zm.deadLetters().retry(letter?.id as string)).toMatchObject([
    { outcome: 'refused', sqlState: '23503' },
  ]);
  await psql(`INSERT INTO feeds VALUES ('x')`);
  expect(await zm.deadLetters().retry(letter?.id as string)).toMatchObject([{ outcome: 'applied' }]);
  expect(await psql('SELECT feed FROM child')).toEqual([{ feed: 'x' }]);
});

test('a put that is retried reaches readers that had it as absent', async () => {
  const { zm, psql } = await open();
  await psql(`ALTER TABLE zmsg_data ADD CONSTRAINT small CHECK (length(data) < 4)`);
  await zm.cacheAndPeriodicStore('key', Buffer.from('large'));
  await zm.flush();
  await zm.del('key');
  expect(await zm.get('key')).toBeUndefined();
  await psql('ALTER TABLE zmsg_data DROP CONSTRAINT small');
  const [letter] = await zm.deadLetters().list();
  expect(letter).toMatchObject({ kind: 'put', table: 'zmsg_data' });
  await zm.deadLetters().retry(letter?.id as string);
  expect(String(await zm.get('key'))).toBe('large');
});

test('what has nothing to run says so, and can be discarded', async () => {
  const { zm, psql } = await open();
  await psql(`INSERT INTO zmsg_dead_letters (kind, operations, task, error, log_id, shard, position)
    VALUES ('counter', 1, '{"kind":"counter","change":"inc \\u0000","statements":[]}', 'no number', gen_random_uuid(), 0, 1)`);
  const [letter] = await zm.deadLetters().list();
  const id = letter?.id as string;
  expect(await zm.deadLetters().get(id)).toMatchObject({
    canRetry: false,
    change: 'inc \0',
    sqlState: undefined,
  });
  expect(await zm.deadLetters().retry(id)).toEqual([{ id, outcome: 'not runnable' }]);
  expect(await zm.deadLetters().discard(id)).toBe(1);
});

test('bad arguments and a closed engine are typed errors', async () => {
  const { zm } = await open();
  const letters = zm.deadLetters();
  for (const id of ['', 'x', '-1', '1; DROP', 1 as never]) {
    await expect(letters.retry(id)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await expect(letters.get(id)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await expect(letters.discard([id])).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  }
  for (const limit of [0, 1001, 1.5]) {
    await expect(letters.list({ limit })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  }
  await zm.close();
  await expect(letters.count()).rejects.toMatchObject({ code: 'CLOSED' });
  expect(() => zm.deadLetters()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
});

test('the embedded PostgreSQL isolates, keeps and retries alike', async () => {
  const dataDir = freshDir();
  const { ZMsg: Engine } = await import('../dist/index.js');
  const zm = await Engine.open({ dataDir, logLevel: 'error', batchShards: 2 });
  onTestFinished(() => zm.close());
  await zm.exec(sql('CREATE TABLE feed_meta (id text PRIMARY KEY, like_count int CHECK (like_count < 10))'));
  await zm.exec(sql(`INSERT INTO feed_meta SELECT 'p' || n, 0 FROM generate_series(1, 300) n`));
  for (let n = 1; n <= 300; n++)
    await zm.cacheAndPeriodicStore('k', null, likes(`p${n}`, n === 150 ? 50 : 1));
  await zm.flush();
  expect(await zm.deadLetters().count()).toBe(1);
  expect(await zm.query(sql('SELECT sum(like_count)::int AS n FROM feed_meta'))).toEqual([{ n: 299 }]);
  await zm.exec(sql('ALTER TABLE feed_meta DROP CONSTRAINT feed_meta_like_count_check'));
  const [letter] = await zm.deadLetters().list();
  expect(await zm.deadLetters().retry(letter?.id as string)).toMatchObject([{ outcome: 'applied' }]);
  expect(await zm.query(sql('SELECT sum(like_count)::int AS n FROM feed_meta'))).toEqual([{ n: 349 }]);
});

test('a database in another encoding keeps what it cannot spell', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const psql = statements(dsn);
  const name = `win_${process.pid}_${Date.now()}`;
  await psql(`CREATE DATABASE ${name} ENCODING 'WIN1252' LOCALE 'C' TEMPLATE template0`);
  const { zm } = await open({ postgresDsn: dsn.replace(/\/[^/]*$/, `/${name}`) });
  await zm.exec(sql('CREATE TABLE notes (n text)'));
  await zm.cacheAndPeriodicStore('a', null, sql('INSERT INTO notes VALUES (?)', '日本'));
  await zm.cacheAndPeriodicStore('b', null, sql('INSERT INTO "日本" VALUES (?)', 'é'));
  await zm.cacheAndPeriodicStore('c', null, sql('INSERT INTO notes VALUES (?)', 'é'));
  await zm.cacheAndPeriodicStore('d', null, counter('日本', 'n').inc(1).where('id = ?', 1));
  await zm.flush();
  expect(await zm.query(sql('SELECT n FROM notes'))).toEqual([{ n: 'é' }]);
  const letters = await zm.deadLetters().list();
  expect(letters.map((letter) => letter.table)).toEqual(
    expect.arrayContaining([undefined, undefined, '\\u65e5\\u672c']),
  );
  const kept = await Promise.all(letters.map(({ id }) => zm.deadLetters().get(id)));
  expect(kept.map((letter) => letter?.statements[0]?.values)).toEqual(
    expect.arrayContaining([['日本'], ['é']]),
  );
});
