import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { CommitCutter } from './commit-cutter.js';
import { openDatabase } from './fold-fixture.js';
import { counter, WriteBehind } from './write-behind.js';

const DDL = `
  CREATE TABLE t (id int PRIMARY KEY, likes bigint NOT NULL DEFAULT 0, views bigint, name text UNIQUE, tags jsonb, score float8);
  CREATE TABLE audit (entry text);
  INSERT INTO t (id, name) SELECT n, 'N' || n FROM generate_series(1, 9) n;`;

let client: pg.Client;
let dsn: string;
let behind: WriteBehind;

beforeEach(async () => {
  ({ client, dsn } = await openDatabase(DDL));
  behind = new WriteBehind(dsn);
  await behind.start();
});
afterEach(() => client.end());

async function value(text: string): Promise<unknown> {
  return Object.values((await client.query(text)).rows[0] ?? {})[0];
}

async function position(): Promise<unknown> {
  return value(`SELECT position::int FROM zmsg_progress WHERE log_id = '${behind.mark.logId}'`);
}

test('fault 1: a failed flush drops nothing, and its retry applies everything once', async () => {
  await client.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE 'not now' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER fail BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.views = 7) EXECUTE FUNCTION fail()`);
  await behind.add(counter('inc', 5, 1), counter('set', 7, 2, { column: 'views' }));
  await expect(behind.flush()).rejects.toMatchObject({
    code: 'STORE',
    sqlState: '53100',
    message: 'not now',
  });
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(0);
  await behind.add(counter('inc', 1, 1));
  await client.query('DROP TRIGGER fail ON t');
  await behind.flush();
  expect(await value('SELECT likes::int FROM t WHERE id = 1')).toBe(5);
  await behind.flush();
  expect(await value('SELECT likes::int FROM t WHERE id = 1')).toBe(6);
  expect(await value('SELECT views::int FROM t WHERE id = 2')).toBe(7);
  expect(await position()).toBe(3);
});

test('fault 2: two columns under one batch key never mix', async () => {
  const batchKey = 'meta:1';
  for (let i = 0; i < 10; i++) {
    await behind.add(
      counter('inc', 1, 1, { batchKey }),
      counter('inc', 100, 1, { batchKey, column: 'views' }),
      counter('inc', 7, 2, { batchKey }),
    );
  }
  expect(behind.aggregator.groups).toBe(3);
  await behind.flush();
  const { rows } = await client.query('SELECT likes::int, views::int FROM t WHERE id < 3 ORDER BY id');
  expect(rows).toEqual([
    { likes: 10, views: 1000 },
    { likes: 70, views: null },
  ]);
});

test('fault 3: dec as the first operation, and operations in any order, are flushed as they came', async () => {
  await behind.add(counter('dec', 4, 1), counter('mul', 3, 2), counter('inc', 5, 2));
  await behind.add(
    counter('set', 9, 3),
    counter('inc', 1, 3),
    counter('mul', 2, 3),
    counter('mul', '0.5', 3),
  );
  await behind.flush();
  const { rows } = await client.query('SELECT likes::int AS n FROM t WHERE id < 4 ORDER BY id');
  expect(rows.map(({ n }) => n)).toEqual([-4, 5, 10]);
});

test('fault 4: counters past 2^53 lose no count', async () => {
  await client.query('UPDATE t SET likes = 9007199254740993 WHERE id = 1');
  for (let i = 0; i < 3; i++)
    await behind.add(counter('inc', Number.MAX_SAFE_INTEGER, 1), counter('inc', 1, 1));
  await behind.flush();
  expect(await value('SELECT likes::text FROM t WHERE id = 1')).toBe(
    String(9007199254740993n + 3n * 2n ** 53n),
  );
});

test('fault 5: one flush is one transaction, and one statement for all rows of a shape', async () => {
  await client.query(`INSERT INTO t (id) SELECT n FROM generate_series(10, 3000) n;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO audit VALUES (pg_current_xact_id()::text); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION note();
    CREATE TRIGGER note AFTER UPDATE ON zmsg_progress FOR EACH STATEMENT EXECUTE FUNCTION note()`);
  for (let id = 1; id <= 3000; id++) await behind.add(counter('inc', 1, id), counter('inc', 1, id));
  expect(behind.aggregator.groups).toBe(3000);
  expect(behind.aggregator.operations).toBe(6000);
  const result = await behind.flush();
  expect(result).toEqual({ statements: 1, overheadStatements: 3, unmatched: [], deadLetters: [] });
  const { rows } = await client.query(
    'SELECT count(*)::int AS n, count(DISTINCT entry)::int AS transactions FROM audit',
  );
  expect(rows).toEqual([{ n: 2, transactions: 1 }]);
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(6000);
});

test('fault 13: tasks that match no row are counted, in sets and alone', async () => {
  await behind.add(counter('inc', 1, 1), counter('inc', 1, 77), counter('inc', 1, 78), counter('inc', 1, 77));
  await behind.add(counter('inc', 1, 79, { where: 'id = ? OR id = 80' }));
  await behind.add(counter('inc', 1, 1, { where: 'id = ? OR id = 80' }));
  await behind.add(counter('inc', 1, null));
  behind.aggregator.add({
    kind: 'content',
    text: 'DELETE FROM t WHERE id = $1',
    values: [99],
    batchKey: undefined,
    producer: 1,
  });
  const { unmatched } = await behind.flush();
  expect(unmatched.toSorted((a, b) => (a.where < b.where ? -1 : 1))).toEqual([
    { table: '', column: '', where: 'DELETE FROM t WHERE id = $1', operations: 1 },
    { table: 't', column: 'likes', where: 'id = ?', operations: 4 },
    { table: 't', column: 'likes', where: 'id = ? OR id = 80', operations: 1 },
  ]);
});

test('groups of two batch keys for one row are both applied', async () => {
  await behind.add(
    counter('inc', 1, 1, { batchKey: 'a' }),
    counter('inc', 10, 1, { batchKey: 'b' }),
    counter('inc', 100, '1', { batchKey: 'c' }),
    counter('inc', 1000, 2, { batchKey: 'c' }),
  );
  const { statements } = await behind.flush();
  expect(statements).toBe(3);
  expect(await value('SELECT likes::int FROM t WHERE id = 1')).toBe(111);
});

test('two batch keys that insert one row insert it once', async () => {
  await client.query('CREATE TABLE loose (id int, likes int)');
  const insert = { id: 5 };
  await behind.add(
    counter('inc', 1, 5, { table: 'loose', batchKey: 'a', insert }),
    counter('inc', 10, 5, { table: 'loose', batchKey: 'b', insert }),
  );
  await behind.flush();
  expect((await client.query('SELECT * FROM loose')).rows).toEqual([{ id: 5, likes: 11 }]);
});

test('an upsert fills the other columns from its first operation and is one group on a hot row', async () => {
  await client.query(
    'CREATE TABLE meta (id int PRIMARY KEY, likes int, views int, at timestamptz, note jsonb)',
  );
  const meta = { table: 'meta', batchKey: 'meta' };
  for (let i = 0; i < 20; i++) {
    const insert = { id: '41', at: new Date(i), note: { i } };
    await behind.add(
      counter('inc', 1, 41, { ...meta, insert }),
      counter('inc', 2, 41, { ...meta, insert, column: 'views' }),
    );
  }
  expect(behind.aggregator.groups).toBe(2);
  const { statements, unmatched } = await behind.flush();
  expect([statements, unmatched]).toEqual([4, []]);
  const { rows } = await client.query('SELECT * FROM meta');
  expect(rows).toEqual([{ id: 41, likes: 20, views: 40, at: new Date(0), note: { i: 0 } }]);
});

test('an upsert that meets the insert of another connection waits for it, then updates its row', async () => {
  await client.query('BEGIN; INSERT INTO t (id, likes) VALUES (60, 100)');
  const insert = { id: 60 };
  await behind.add(counter('inc', 1, 60, { insert }), counter('inc', 1, 61, { insert: { id: 61 } }));
  const flushed = behind.flush();
  await isBlocked();
  await client.query('COMMIT');
  expect((await flushed).unmatched).toEqual([]);
  expect((await client.query('SELECT id, likes::int FROM t WHERE id > 50 ORDER BY id')).rows).toEqual([
    { id: 60, likes: 101 },
    { id: 61, likes: 1 },
  ]);
});

test('a condition that ends in a comment takes nothing with it', async () => {
  const where = 'id = ? -- the row';
  await behind.add(counter('inc', 1, 62, { where, insert: { id: 62 } }));
  expect((await behind.flush()).unmatched).toEqual([]);
  expect(await behind.read(counter('inc', 1, 62, { where }))).toMatchObject({ found: { value: 1 } });
});

test('a flush whose shard was taken over changes nothing', async () => {
  await behind.add(counter('inc', 1, 1));
  const successor = new WriteBehind(dsn, { ...behind.mark });
  expect(await successor.start()).toBe(0n);
  await expect(behind.flush()).rejects.toMatchObject({ code: 'FENCED' });
  await expect(behind.flush()).rejects.toMatchObject({ code: 'FENCED' });
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(0);
  await successor.add(counter('inc', 2, 1));
  await successor.flush();
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(2);
});

test('a mark that stands elsewhere fences, too', async () => {
  await behind.add(counter('inc', 1, 1));
  await client.query('UPDATE zmsg_progress SET position = 17');
  await expect(behind.flush()).rejects.toMatchObject({ code: 'FENCED' });
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(0);
});

test('an owner that comes back goes on from the position it left', async () => {
  await behind.add(counter('inc', 1, 1), counter('inc', 1, 2));
  await behind.flush();
  const again = new WriteBehind(dsn, { ...behind.mark });
  expect(await again.start()).toBe(2n);
});

test.each(['cut before', 'cut after', 'late'] as const)(
  'a COMMIT that is lost (%s) is settled by the mark: everything is applied once',
  async (fault) => {
    const cutter = new CommitCutter(inject('postgresPort'));
    const port = await cutter.listen();
    behind = new WriteBehind(dsn.replace(/:\d+\//, `:${port}/`), {
      logId: randomUUID(),
      shard: 0,
      epoch: 1n,
    });
    await behind.start();
    await behind.add(counter('inc', 5, 1), counter('inc', 5, 77));
    cutter.next = fault;
    await expect(behind.flush()).rejects.toMatchObject({ code: 'STORE' });
    expect(behind.broken).toBe(1);
    // Nobody knows yet what the stored value is.
    await behind.add(counter('inc', 1, 1));
    expect(await behind.read(counter('inc', 0, 1))).toEqual({ flushFirst: true });

    const settled = behind.flush();
    if (fault === 'late') {
      // The second attempt waits for the rows of the first, which then comes through.
      await isBlocked();
      cutter.release();
    }
    const { unmatched } = await settled;
    expect(unmatched).toEqual([{ table: 't', column: 'likes', where: 'id = ?', operations: 1 }]);
    expect(await value('SELECT likes::int FROM t WHERE id = 1')).toBe(5);
    await behind.flush();
    expect(await value('SELECT likes::int FROM t WHERE id = 1')).toBe(6);
    expect(await position()).toBe(3);
    cutter.close();
  },
);

/** Resolves when a connection waits for another's lock. Asked from outside: a transaction sees one snapshot of it. */
async function isBlocked(): Promise<void> {
  const observer = new pg.Client({ connectionString: dsn });
  await observer.connect();
  const query = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await observer.query(query)).rowCount === 0);
  await observer.end();
}

test('names and values cannot break out of a statement', async () => {
  const table = `public.we"ird'; DROP TABLE t; --`;
  const column = `c"; DROP TABLE t; --`;
  await client.query(
    `CREATE TABLE public."we""ird'; DROP TABLE t; --" (id text PRIMARY KEY, "c""; DROP TABLE t; --" int, m jsonb)`,
  );
  const id = `x', "{}\\`;
  const key = `k"'\\{},; DROP TABLE t`;
  await behind.add(
    counter('inc', 3, id, { table, column, insert: { id } }),
    {
      kind: 'map',
      table,
      column: 'm',
      where: 'id = ?',
      whereValues: [id],
      op: 'set',
      key,
      operand: JSON.stringify(key),
      insert: { id },
    },
    {
      kind: 'map',
      table,
      column: 'm',
      where: 'id = ?',
      whereValues: [id],
      op: 'del',
      key: `'${key}`,
      insert: { id },
    },
  );
  expect((await behind.flush()).unmatched).toEqual([]);
  const { rows } = await client.query(`SELECT * FROM public."we""ird'; DROP TABLE t; --"`);
  expect(rows).toEqual([{ id, [column]: 3, m: { [key]: key } }]);
  const map = { kind: 'map', table, column: 'm', where: 'id = ?', whereValues: [id] } as const;
  expect(await behind.read(map, key)).toEqual({ flushFirst: false, found: { value: key } });
  expect(await value('SELECT count(*)::int FROM t')).toBe(9);
});

test('a key column that changes its type under a pending generation does not stop it', async () => {
  await behind.add(counter('inc', 1, 1), counter('inc', 1, 2));
  await client.query('ALTER TABLE t ALTER id TYPE text');
  // One for both rows, then one for each: no row has to be found.
  expect(await behind.flush()).toMatchObject({ statements: 3, overheadStatements: 5, deadLetters: [] });
  await behind.add(counter('inc', 1, '01'), counter('inc', 1, 1));
  await behind.flush();
  expect(await value(`SELECT string_agg(id || ':' || likes, ' ' ORDER BY id) FROM t WHERE id < '3'`)).toBe(
    '1:2 2:1',
  );
});

test('operations for a table that is created before their flush run in their order', async () => {
  const later = { table: 'later', insert: { id: 1 } };
  await behind.add(counter('inc', 2, 1, later), counter('mul', 5, 1, later), counter('inc', 1, 1, later));
  await client.query('CREATE TABLE later (id int PRIMARY KEY, likes int)');
  await behind.flush();
  expect((await client.query('SELECT * FROM later')).rows).toEqual([{ id: 1, likes: 11 }]);
  await behind.add(counter('inc', 1, 1, later), counter('inc', 1, 1, later));
  expect(behind.aggregator.groups).toBe(1);
});

test('the newest value of a key is stored, its time of creation is kept', async () => {
  const put = (key: string, data: string | Uint8Array) =>
    behind.aggregator.add({ kind: 'put', key, data: Buffer.from(data) });
  put('k', 'one');
  put('k', 'two');
  put('big', new Uint8Array(300_000).fill(7));
  put('', '\\x"{}');
  expect([behind.aggregator.groups, behind.aggregator.operations]).toEqual([3, 4]);
  expect((await behind.flush()).statements).toBe(2);
  await client.query(`UPDATE zmsg_data SET created_at = '2020-01-01', updated_at = '2020-01-01'`);
  put('k', 'three');
  await behind.flush();
  const { rows } = await client.query(
    `SELECT id, data, created_at < '2021-01-01' AS kept, updated_at > '2021-01-01' AS touched FROM zmsg_data ORDER BY id`,
  );
  expect(rows).toEqual([
    { id: '', data: Buffer.from('\\x"{}'), kept: true, touched: false },
    { id: 'big', data: Buffer.alloc(300_000, 7), kept: true, touched: false },
    { id: 'k', data: Buffer.from('three'), kept: true, touched: true },
  ]);
});

test('a hot row of a float column is written in the order of its operations, however many', async () => {
  let expected = 0;
  for (let i = 0; i < 1000; i++) {
    await behind.add(
      counter('inc', '0.1', 1, { column: 'score' }),
      counter('mul', '1.01', 1, { column: 'score' }),
    );
    expected = (expected + 0.1) * 1.01;
  }
  expect(behind.aggregator.groups).toBe(20);
  expect(await behind.read(counter('inc', 0, 1, { column: 'score' }))).toEqual({
    flushFirst: false,
    found: { value: expected },
  });
  await behind.flush();
  expect(await value('SELECT score FROM t WHERE id = 1')).toBe(expected);
});

test('a read sees the kept generation of a failed flush and what came after it', async () => {
  const tags = { kind: 'slice', table: 't', column: 'tags', where: 'id = ?', whereValues: [1] } as const;
  await behind.add(
    counter('set', 5, 1),
    { ...tags, op: 'add', operand: '"a"' },
    { ...tags, op: 'add', operand: '1.0' },
  );
  await client.query('ALTER TABLE zmsg_progress RENAME TO away');
  await expect(behind.flush()).rejects.toMatchObject({ sqlState: '42P01' });
  await behind.add(
    counter('mul', 3, 1),
    { ...tags, op: 'del', operand: '1' },
    { ...tags, op: 'add', operand: '2' },
  );
  expect(await behind.read(counter('inc', 0, '1'))).toEqual({ flushFirst: false, found: { value: 15 } });
  expect(await behind.read(tags)).toEqual({ flushFirst: false, found: { value: ['a', 2] } });
  expect(await behind.read(counter('inc', 0, 99))).toEqual({ flushFirst: false, found: undefined });
});

test('a read asks for a flush where what is pending cannot be told from the stored row', async () => {
  const batchKey = 'k';
  await behind.add(counter('inc', 1, 50, { batchKey, insert: { id: 50 } }));
  expect(await behind.read(counter('inc', 0, 50, { batchKey }))).toEqual({ flushFirst: true });
  expect(await behind.read(counter('inc', 0, 1, { batchKey }))).toMatchObject({ found: { value: 0 } });
  await behind.add(counter('inc', 1, 'N1', { batchKey, where: 'name = ?' }));
  expect(await behind.read(counter('inc', 0, 1, { batchKey }))).toEqual({ flushFirst: true });
  await behind.flush();
  expect(await behind.read(counter('inc', 0, 50, { batchKey }))).toMatchObject({ found: { value: 1 } });
});

test('nothing pending is nothing written', async () => {
  const result = await behind.flush();
  expect(result).toEqual({ statements: 0, overheadStatements: 0, unmatched: [], deadLetters: [] });
});
