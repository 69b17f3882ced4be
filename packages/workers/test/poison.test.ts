import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { armFailpoints } from '../dist/failpoint.js';
import { taskOfGroup } from '../dist/flush/dead-letter-task.js';
import { isTransactionControl } from '../dist/flush/transaction-control.js';
import { CommitCutter } from './commit-cutter.js';
import { lettersOf, retryAll } from './dead-letter-fixture.js';
import { type OperationInput, openDatabase } from './fold-fixture.js';
import { counter, WriteBehind } from './write-behind.js';

const DDL = `
  CREATE TABLE t (id int PRIMARY KEY, likes int NOT NULL DEFAULT 0, views smallint, code int UNIQUE,
                  tags jsonb, extra jsonb, CHECK (likes < 1000));
  CREATE TABLE child (id int PRIMARY KEY, t_id int REFERENCES t DEFERRABLE INITIALLY DEFERRED, note text);
  INSERT INTO t (id) SELECT n FROM generate_series(1, 10000) n;`;

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

function content(text: string, values: unknown[], batchKey?: string): void {
  behind.aggregator.add({ kind: 'content', text, values, batchKey, producer: 1 });
}

const slice = (id: number, operand: string, more: Partial<OperationInput> = {}): OperationInput => ({
  kind: 'slice',
  table: 't',
  column: 'tags',
  where: 'id = ?',
  whereValues: [id],
  op: 'add',
  operand,
  ...more,
});
const mapSet = (id: number, key: string, operand: string): OperationInput => ({
  kind: 'map',
  table: 't',
  column: 'extra',
  where: 'id = ?',
  whereValues: [id],
  op: 'set',
  key,
  operand,
});

describe('one poisoned row among 10,000', () => {
  // Both statements of 5,000 rows, the ends and the middle of each.
  test.each([1, 2500, 5000, 5001, 10000])(
    'row %d costs O(log n) round trips and no neighbour',
    async (bad) => {
      for (let id = 1; id <= 10_000; id++) await behind.add(counter('inc', id === bad ? 1000 : 1, id));
      const result = await behind.flush();
      expect(result.deadLetters).toMatchObject([
        { table: 't', column: 'likes', sqlState: '23514', operations: 1, deadLetters: 1 },
      ]);
      expect(await value('SELECT count(*)::int FROM t WHERE likes = 1')).toBe(9999);
      expect(await value(`SELECT likes FROM t WHERE id = ${bad}`)).toBe(0);
      const plain = 2 + 3;
      expect(result.statements + result.overheadStatements - plain).toBeLessThan(5 * Math.log2(5000));
      const [letter, ...more] = await lettersOf(client);
      expect(more).toEqual([]);
      expect(letter).toMatchObject({
        kind: 'counter',
        table_name: 't',
        column_name: 'likes',
        operations: '1',
        sqlstate: '23514',
        attempts: 1,
        position: '10000',
        task: { kind: 'counter', where: { text: 'id = ?', values: [bad] }, change: '+ 1000' },
      });
      await behind.add(counter('inc', 1, 1));
      expect((await behind.flush()).deadLetters).toEqual([]);
    },
  );

  test('a trigger that raises, a unique violation and an overflow are found alike', async () => {
    await client.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
      CREATE TRIGGER fail BEFORE UPDATE OF likes ON t FOR EACH ROW WHEN (NEW.id = 77) EXECUTE FUNCTION fail();
      UPDATE t SET code = 5 WHERE id = 10000`);
    for (let id = 1; id < 10_000; id++) {
      await behind.add(
        counter('inc', 1, id),
        counter('set', id === 777 ? 5 : id + 10, id, { column: 'code' }),
        counter('inc', id === 7777 ? 40_000 : 1, id, { column: 'views' }),
      );
    }
    const { deadLetters } = await behind.flush();
    expect(deadLetters.map(({ column, sqlState }) => [column, sqlState]).sort()).toEqual([
      ['code', '23505'],
      ['likes', 'P0001'],
      ['views', '22003'],
    ]);
    expect(await value('SELECT sum(likes)::int FROM t')).toBe(9998);
    expect(await value('SELECT sum(views)::int FROM t')).toBe(9998);
    expect(await value('SELECT count(code)::int FROM t')).toBe(9999);
  });

  test('in slices, maps and statements of the caller', async () => {
    await client.query(
      `ALTER TABLE t ADD CHECK (jsonb_array_length(tags) < 3), ADD CHECK (NOT extra ? 'bad')`,
    );
    for (let id = 1; id <= 2000; id++) {
      await behind.add(slice(id, '"x"'), mapSet(id, id === 1234 ? 'bad' : 'good', '1'));
      if (id === 567) await behind.add(slice(id, '"y"'), slice(id, '"z"'));
      content('INSERT INTO child (id, note) VALUES ($1, $2)', [id === 99 ? 98 : id, 'n']);
    }
    const { deadLetters } = await behind.flush();
    expect(deadLetters).toMatchObject([
      { table: 't', column: 'extra', sqlState: '23514', deadLetters: 1 },
      { table: 't', column: 'tags', sqlState: '23514', operations: 3, deadLetters: 1 },
      { table: '', column: '', sqlState: '23505', deadLetters: 1 },
    ]);
    expect(await value(`SELECT count(*)::int FROM t WHERE tags = '["x"]'`)).toBe(1999);
    expect(await value(`SELECT count(*)::int FROM t WHERE extra = '{"good": 1}'`)).toBe(1999);
    expect(await value('SELECT count(*)::int FROM child')).toBe(1999);
    const changes = (await lettersOf(client)).map(({ task }) => task.change);
    expect(changes).toEqual(['set {"bad":1}', 'add ["x","y","z"]', undefined]);
  });

  test('in puts: a key that PostgreSQL cannot hold', async () => {
    const put = (key: string, data: string) =>
      behind.aggregator.add({ kind: 'put', key, data: Buffer.from(data) });
    for (let i = 0; i < 5000; i++) put(`k${i}`, 'v');
    put('zero\0', 'lost?');
    put('big\0', 'b'.repeat(300_000));
    const { deadLetters } = await behind.flush();
    expect(deadLetters).toMatchObject([
      { table: 'zmsg_data', column: 'data', sqlState: '22021', deadLetters: 2 },
    ]);
    expect(await value('SELECT count(*)::int FROM zmsg_data')).toBe(5000);
    const [big, zero] = await lettersOf(client);
    expect(zero?.task.key).toBe('zero\0');
    expect(zero?.task.statements[0]?.values[0]).toBe('zero\0');
    expect(big?.task.statements[0]?.values[1]).toEqual({
      $bytes: Buffer.from('b'.repeat(300_000)).toString('base64'),
    });
  });
});

test('an upsert that is refused leaves no inserted row behind', async () => {
  for (let id = 20_001; id <= 22_000; id++) {
    await behind.add(counter('inc', id === 21_000 ? 5000 : 1, id, { insert: { id } }));
  }
  expect((await behind.flush()).deadLetters).toMatchObject([{ sqlState: '23514', deadLetters: 1 }]);
  expect(await value('SELECT count(*)::int FROM t WHERE id > 20000 AND likes = 1')).toBe(1999);
  expect(await value('SELECT count(*)::int FROM t WHERE id = 21000')).toBe(0);
  const [letter] = await lettersOf(client);
  expect(letter?.task).toMatchObject({ orInsert: { id: 21_000 }, statements: [{}, {}] });
  await client.query('ALTER TABLE t DROP CONSTRAINT t_likes_check');
  await retryAll(client);
  expect(await value('SELECT likes FROM t WHERE id = 21000')).toBe(5000);
});

test('a later group of the batch key runs although an earlier one was refused', async () => {
  const batchKey = 'k';
  await behind.add(counter('inc', 5000, 1, { batchKey }));
  content('UPDATE t SET views = 3 WHERE id = 1', [], batchKey);
  await behind.add(counter('inc', 2, 1, { batchKey }));
  expect((await behind.flush()).deadLetters).toMatchObject([{ operations: 1, deadLetters: 1 }]);
  expect((await client.query('SELECT likes, views FROM t WHERE id = 1')).rows).toEqual([
    { likes: 2, views: 3 },
  ]);
});

test('what matched no row is counted once, however often it was run', async () => {
  for (let id = 9001; id <= 11_000; id++) await behind.add(counter('inc', id === 9500 ? 5000 : 1, id));
  const { unmatched } = await behind.flush();
  expect(unmatched).toEqual([{ table: 't', column: 'likes', where: 'id = ?', operations: 1000 }]);
});

test('many poisoned rows in many statements cost one extra run of the good ones', async () => {
  for (let id = 1; id <= 10_000; id++) await behind.add(counter('inc', id % 500 === 0 ? 5000 : 1, id));
  for (let n = 0; n < 30; n++) {
    const column = n % 3 === 0 ? 'missing' : 'note';
    content(`INSERT INTO child (id, ${column}) VALUES ($1, 'x')`, [n]);
  }
  const { deadLetters, statements } = await behind.flush();
  expect(deadLetters.map(({ deadLetters: n }) => n)).toEqual([10, 20]);
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(9980);
  expect(await value('SELECT count(*)::int FROM child')).toBe(20);
  expect(statements).toBeLessThan(20 * 2 * 13 + 120);
});

describe('a table that is gone', () => {
  test('makes dead letters of its whole batch in a few round trips, and their retry gives the exact sums', async () => {
    for (let id = 1; id <= 10_000; id++) {
      await behind.add(counter('inc', 1, id), slice(id, '1'));
      await behind.add(counter('inc', 2, id, { column: 'views', insert: { id } }));
    }
    await behind.add(counter('inc', 9, 1, { where: 'id = ? OR id = -1' }), counter('inc', 1, 3));
    content('INSERT INTO child (id) VALUES (1)', []);
    await client.query('ALTER TABLE t RENAME TO away');
    const { deadLetters, statements, overheadStatements } = await behind.flush();
    expect(deadLetters.reduce((sum, { deadLetters: n }) => sum + n, 0)).toBe(30_002);
    expect(statements + overheadStatements).toBeLessThan(150);
    expect(await value('SELECT count(*)::int FROM child')).toBe(1);
    await client.query('ALTER TABLE away RENAME TO t');
    await retryAll(client);
    expect(await value('SELECT sum(likes)::int FROM t')).toBe(10_010);
    expect(await value('SELECT sum(views)::int FROM t')).toBe(20_000);
    expect(await value(`SELECT count(*)::int FROM t WHERE tags = '[1]'`)).toBe(10_000);
  });

  test('as soon as nothing is known of it, too, and statements of the caller by their text', async () => {
    for (let id = 1; id <= 1000; id++) {
      await behind.add(counter('inc', 1, id, { table: 'nowhere', insert: { id } }));
      content('INSERT INTO nowhere (id) VALUES ($1)', [id]);
    }
    const { deadLetters, statements, overheadStatements } = await behind.flush();
    expect(deadLetters).toMatchObject([
      { table: 'nowhere', sqlState: '42P01', deadLetters: 1000 },
      { table: '', sqlState: '42P01', deadLetters: 1000 },
    ]);
    expect(statements + overheadStatements).toBeLessThan(40);
    await client.query('CREATE TABLE nowhere (id int, likes int)');
    await client.query(`DELETE FROM zmsg_dead_letters WHERE kind = 'content'`);
    await retryAll(client);
    expect(await value('SELECT sum(likes)::int FROM nowhere')).toBe(1000);
  });

  test('is there again for what follows the statement that creates it', async () => {
    const batchKey = 'k';
    content('INSERT INTO later VALUES ($1)', [1]);
    content('INSERT INTO later VALUES ($1)', [2]);
    content('CREATE TABLE later (id int)', []);
    content('INSERT INTO later VALUES ($1)', [3]);
    content('INSERT INTO later VALUES ($1)', [4], batchKey);
    expect((await behind.flush()).deadLetters).toMatchObject([{ sqlState: '42P01', deadLetters: 3 }]);
    expect((await client.query('SELECT id FROM later')).rows).toEqual([{ id: 3 }]);
  });

  test('or may not be written: one explanation serves all rows', async () => {
    await client.query(`CREATE ROLE nobody_${process.pid} LOGIN`);
    await client.query(`GRANT ALL ON zmsg_progress, zmsg_dead_letters TO nobody_${process.pid}`);
    const poor = new WriteBehind(dsn.replace(/\/\/[^@]*@/, `//nobody_${process.pid}@`), {
      ...behind.mark,
      shard: 9,
    });
    await poor.start();
    for (let id = 1; id <= 5000; id++) await poor.add(counter('inc', 1, id));
    const result = await poor.flush();
    expect(result.deadLetters).toMatchObject([{ sqlState: '42501', deadLetters: 5000 }]);
    expect(result.statements + result.overheadStatements).toBeLessThan(40);
    await client.query(`DROP OWNED BY nobody_${process.pid}; DROP ROLE nobody_${process.pid}`);
  });

  test('zmsg_progress or zmsg_dead_letters: nothing is written, nothing is lost', async () => {
    await behind.add(counter('inc', 5000, 1), counter('inc', 1, 2));
    for (const table of ['zmsg_progress', 'zmsg_dead_letters']) {
      await client.query(`ALTER TABLE ${table} RENAME TO away`);
      await expect(behind.flush()).rejects.toMatchObject({ code: 'STORE', sqlState: '42P01' });
      expect(await value('SELECT sum(likes)::int FROM t')).toBe(0);
      await client.query(`ALTER TABLE away RENAME TO ${table}`);
    }
    expect((await behind.flush()).deadLetters).toMatchObject([{ deadLetters: 1 }]);
    expect(await value('SELECT sum(likes)::int FROM t')).toBe(1);
  });
});

describe('deferred constraints', () => {
  test('a group that only COMMIT refuses is found', async () => {
    await client.query('ALTER TABLE child ADD UNIQUE (note) DEFERRABLE INITIALLY DEFERRED');
    for (let id = 1; id <= 200; id++) {
      content('INSERT INTO child (id, t_id, note) VALUES ($1, $2, $3)', [id, id === 77 ? -1 : id, `n${id}`]);
    }
    for (let id = 1; id <= 5000; id++) await behind.add(counter('inc', 1, id));
    const result = await behind.flush();
    expect(result.deadLetters).toMatchObject([{ table: '', sqlState: '23503', deadLetters: 1 }]);
    expect(await value('SELECT count(*)::int FROM child')).toBe(199);
    expect(await value('SELECT sum(likes)::int FROM t')).toBe(5000);
  });

  test('a refused row of a set-based statement, too', async () => {
    await client.query('INSERT INTO child (id, t_id) SELECT n, n FROM generate_series(1, 3000) n');
    for (let id = 1; id <= 3000; id++) {
      await behind.add(counter('set', id === 2000 ? -5 : id, id, { table: 'child', column: 't_id' }));
    }
    expect((await behind.flush()).deadLetters).toMatchObject([{ sqlState: '23503', deadLetters: 1 }]);
    expect(await value('SELECT count(*)::int FROM child WHERE t_id = id')).toBe(3000);
  });

  test('also behind a statement of the caller that defers them again', async () => {
    content('SET CONSTRAINTS ALL DEFERRED', []);
    content('INSERT INTO child (id, t_id) VALUES (1, -1)', []);
    content('SET CONSTRAINTS ALL DEFERRED', []);
    content('INSERT INTO child (id, t_id) VALUES (2, 2)', []);
    expect((await behind.flush()).deadLetters).toMatchObject([{ sqlState: '23503', deadLetters: 1 }]);
    expect((await client.query('SELECT id FROM child')).rows).toEqual([{ id: 2 }]);
  });
});

test('a deadlock while isolating fails the whole flush, whose retry leaves out what is bad', async () => {
  await client.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE 'deadlock' USING ERRCODE = '40P01'; END $$;
    CREATE TRIGGER fail BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.views = 7) EXECUTE FUNCTION fail()`);
  await behind.add(counter('inc', 5000, 1), counter('inc', 1, 2), counter('set', 7, 3, { column: 'views' }));
  await expect(behind.flush()).rejects.toMatchObject({ sqlState: '40P01' });
  expect(await lettersOf(client)).toEqual([]);
  await client.query('DROP TRIGGER fail ON t');
  expect((await behind.flush()).deadLetters).toMatchObject([{ deadLetters: 1 }]);
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(1);
});

test.each(['cut before', 'cut after', 'late'] as const)(
  'a COMMIT that is lost (%s) while isolating applies good and dead letters once',
  async (fault) => {
    const cutter = new CommitCutter(inject('postgresPort'));
    const port = await cutter.listen();
    behind = new WriteBehind(dsn.replace(/:\d+\//, `:${port}/`), { ...behind.mark, shard: 4 });
    await behind.start();
    for (let id = 1; id <= 100; id++) await behind.add(counter('inc', id === 50 ? 5000 : 1, id));
    content('INSERT INTO child (id) VALUES (1)', []);
    cutter.next = fault;
    await expect(behind.flush()).rejects.toMatchObject({ code: 'STORE' });
    const settled = behind.flush();
    if (fault === 'late') {
      await isBlocked();
      cutter.release();
    }
    expect((await settled).deadLetters).toMatchObject([{ sqlState: '23514', deadLetters: 1 }]);
    expect(await value('SELECT sum(likes)::int FROM t')).toBe(99);
    expect(await lettersOf(client)).toHaveLength(1);
    await behind.add(counter('inc', 1, 1));
    await behind.flush();
    expect(await value('SELECT sum(likes)::int FROM t')).toBe(100);
    cutter.close();
  },
);

/** Resolves when a connection waits for another's lock. */
async function isBlocked(): Promise<void> {
  const observer = new pg.Client({ connectionString: dsn });
  await observer.connect();
  const query = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await observer.query(query)).rowCount === 0);
  await observer.end();
}

test('a flush whose process stops in mid-transaction holds its locks for a minute at most', async () => {
  content(
    `INSERT INTO child (id, note) VALUES (1, current_setting('idle_in_transaction_session_timeout'))`,
    [],
  );
  await behind.flush();
  expect(await value('SELECT note FROM child')).toBe('1min');
});

test('a dead letter keeps every kind of value, and its retry is the same statement', async () => {
  await client.query(
    'CREATE TABLE v (n int CHECK (n < 0), a int8, b bytea, c timestamptz, d jsonb, e float8, f float8, g text[], h int, i bool)',
  );
  const text = 'INSERT INTO v VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)';
  const values = [
    ...[1, 9007199254740993n, Buffer.from([0, 255]), new Date(1234567890123), { a: [1, '\u00e9'] }],
    ...[-0, Number.NaN, ['x', null, '"\\'], null, true],
  ];
  content(text, values);
  content('SELECT $1::int, $2::text', [undefined, 'nul \0 and \ud800']);
  expect((await behind.flush()).deadLetters).toMatchObject([{ deadLetters: 1 }, { deadLetters: 1 }]);
  const [, odd] = await lettersOf(client);
  expect(odd?.task.statements[0]?.values).toEqual([{ $undefined: true }, 'nul \0 and \ud800']);
  await client.query('DELETE FROM zmsg_dead_letters WHERE id = $1', [odd?.id]);
  await client.query('ALTER TABLE v DROP CONSTRAINT v_n_check');
  await retryAll(client);
  await client.query(text, values);
  const { rows } = await client.query('SELECT v::text AS row FROM v');
  expect(rows[0]).toEqual(rows[1]);
});

test('a name that is no text for PostgreSQL makes a dead letter all the same', async () => {
  await behind.add(counter('inc', 1, 1, { table: 'a\ud800b' }), counter('inc', 1, 1, { table: 'a\0b' }));
  content('SELECT 1 \0', [1]);
  const { deadLetters } = await behind.flush();
  expect(deadLetters).toHaveLength(3);
  const names = (await lettersOf(client)).map(({ table_name }) => table_name);
  expect(names).toEqual(['a\ufffdb', 'a\ufffdb', null]);
});

test.each([
  'flush:begin:before',
  'flush:statement:before',
  'flush:mark:before',
  'flush:commit:before',
  'flush:commit:sent',
  'flush:commit:answered',
])('a flush that breaks off at %s is written once by its retry', async (name) => {
  for (let id = 1; id <= 20; id++) await behind.add(counter('inc', id === 7 ? 5000 : 1, id));
  // The first two passes belong to the attempt without savepoints, where there are two.
  const skip = name === 'flush:statement:before' ? 3 : name === 'flush:begin:before' ? 1 : 0;
  armFailpoints(`${name}=throw:${skip}`);
  await expect(behind.flush()).rejects.toMatchObject({ message: `failpoint ${name}` });
  armFailpoints(undefined);
  expect(behind.broken).toBe(1);
  expect((await behind.flush()).deadLetters).toMatchObject([{ deadLetters: 1 }]);
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(19);
  expect(await lettersOf(client)).toHaveLength(1);
});

test.each([
  'COMMIT',
  ' -- done\n commit',
  '/* a /* nested */ comment */ ROLLBACK',
  'SAVEPOINT zmsg',
  'end',
  'COPY child FROM STDIN',
])('a statement of the caller cannot end the transaction: %s', async (text) => {
  await behind.add(counter('inc', 1, 1));
  content(text, []);
  content('UPDATE t SET likes = 5 WHERE id = 2; COMMIT', []);
  content(`UPDATE t SET likes = 7 WHERE id = 3 /* ; COMMIT */`, []);
  const { deadLetters } = await behind.flush();
  expect(deadLetters).toMatchObject([
    { sqlState: '2D000', deadLetters: 1 },
    { sqlState: '42601', deadLetters: 1 },
  ]);
  expect(await value('SELECT sum(likes)::int FROM t')).toBe(8);
});

test('words that only begin like those of a transaction are statements like others', () => {
  for (const text of [
    'ENDING',
    'SELECT 1 -- ;\nCOMMIT',
    'COPY child TO STDOUT',
    'beginning',
    '',
    '/* open',
  ]) {
    expect(isTransactionControl(text)).toBe(false);
  }
});

test('a task that is too large to be kept is kept as an excerpt, which cannot be run', () => {
  const put = { kind: 'put', key: 'k', data: new Uint8Array(210 << 20) } as const;
  const task = taskOfGroup(put);
  expect(task.isExcerpt).toBe(true);
  expect(JSON.stringify(task).length).toBeLessThan(5000);
  expect(taskOfGroup({ ...put, data: new Uint8Array(2000) })).not.toHaveProperty('isExcerpt');
});

test('a statement that is larger than PostgreSQL takes is not sent, and holds nothing up', async () => {
  const half = Buffer.alloc(550 << 20);
  content('SELECT $1::bytea, $2::bytea', [half, half]);
  await behind.add(counter('inc', 1, 1));
  expect((await behind.flush()).deadLetters).toMatchObject([{ sqlState: '54000', deadLetters: 1 }]);
  expect(await value('SELECT likes FROM t WHERE id = 1')).toBe(1);
  expect((await lettersOf(client))[0]?.task).toMatchObject({ isExcerpt: true });
});
