import { readFile } from 'node:fs/promises';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { counter, map, slice, table, toTask } from '../dist/sql/index.js';

let dsn: string;
let client: pg.Client;

const run = (builder: Parameters<typeof toTask>[0], on = client) => {
  const task = toTask(builder as Parameters<typeof toTask>[0]);
  return on.query(task.text, [...task.values]);
};

beforeAll(async () => {
  dsn = await createDatabase(inject('postgresPort'));
  client = new pg.Client({ connectionString: dsn });
  await client.connect();
  await client.query(await readFile(new URL('../dist/schema/001_engine.sql', import.meta.url), 'utf8'));
  await client.query(`
    CREATE SCHEMA "Social";
    CREATE TABLE "Social"."Meta" (id text PRIMARY KEY, "likeCount" bigint);
    CREATE TABLE meta (
      id text PRIMARY KEY, note text,
      big bigint, small smallint, int integer, money numeric(10, 2), free numeric, float float8,
      tags jsonb, extra jsonb, value jsonb
    )`);
});

beforeEach(async () => {
  await client.query(`TRUNCATE meta; INSERT INTO meta (id) VALUES ('a'), ('b')`);
});

afterAll(() => client.end());

async function stored(column: string, id = 'a'): Promise<unknown> {
  const { rows } = await client.query(`SELECT "${column}"::text AS v FROM meta WHERE id = $1`, [id]);
  return rows[0]?.v;
}

const counterColumns = ['big', 'small', 'int', 'money', 'free', 'float'] as const;

describe('counters', () => {
  test.each(counterColumns)('NULL in a %s column counts as zero for each operation', async (column) => {
    const at = counter('meta', column);
    for (const [step, expected] of [
      [at.inc(5), 5],
      [at.dec(5), -5],
      [at.mul(5), 0],
      [at.set(5), 5],
      [at.clean(), 0],
    ] as const) {
      await client.query(`UPDATE meta SET "${column}" = NULL`);
      expect((await run(step.where('id = ?', 'a'))).rowCount).toBe(1);
      expect(Number(await stored(column))).toBe(expected);
      expect(await stored(column, 'b')).toBe(null);
    }
  });

  test.each(counterColumns)('operations on a %s column follow each other', async (column) => {
    const at = counter('meta', column);
    for (const step of [at.set(10), at.inc(3), at.dec(1), at.mul(4), at.inc(), at.dec()]) {
      await run(step.where('id = ?', 'a'));
    }
    expect(Number(await stored(column))).toBe(48);
  });

  test('fault 3: dec as first operation is a whole statement', async () => {
    const task = counter('meta', 'big').dec(2).where('id = ?', 'a').build();
    expect(task.text).toBe('UPDATE "meta" SET "big" = COALESCE("big", 0) - $1::numeric WHERE (id = $2)');
    expect(task.values).toEqual(['2', 'a']);
    await run(task);
    expect(await stored('big')).toBe('-2');
  });

  test('fault 4: counts past 2^53 are exact', async () => {
    const at = counter('meta', 'big');
    await run(at.set(2n ** 62n).where('id = ?', 'a'));
    await run(at.inc(1).where('id = ?', 'a'));
    expect(await stored('big')).toBe('4611686018427387905');
    const free = counter('meta', 'free');
    await run(free.set('123456789012345678901234567890.10').where('id = ?', 'a'));
    await run(free.inc(0.1).where('id = ?', 'a'));
    await run(free.inc(1e-7).where('id = ?', 'a'));
    await run(free.mul(10n ** 30n).where('id = ?', 'a'));
    expect(await stored('free')).toBe(`1234567890123456789012345678902000001${'0'.repeat(23)}.0000000`);
  });

  test('decimals are exact on numeric columns and floats on float columns', async () => {
    for (let i = 0; i < 3; i++) {
      await run(counter('meta', 'money').inc(0.1).where('id = ?', 'a'));
      await run(counter('meta', 'float').inc(0.1).where('id = ?', 'a'));
    }
    expect(await stored('money')).toBe('0.30');
    expect(await stored('float')).toBe(String(0.1 + 0.1 + 0.1));
  });

  test('a fractional factor on an integer column rounds, a fractional delta is refused', async () => {
    for (const column of ['big', 'int', 'small']) {
      await run(counter('meta', column).set(3).where('id = ?', 'a'));
      await run(counter('meta', column).mul('1.5').where('id = ?', 'a'));
      expect(await stored(column)).toBe('5');
      for (const op of ['inc', 'dec', 'set'] as const) {
        const task = counter('meta', column)[op](0.5).where('id = ?', 'a');
        await expect(run(task)).rejects.toMatchObject({ code: '22P02' });
        const upsert = counter('meta', column)[op](0.5).where('id = ?', 'new').orInsert({ id: 'new' });
        await expect(run(upsert)).rejects.toMatchObject({ code: '22P02' });
      }
      expect(await stored(column)).toBe('5');
    }
  });

  test.each([
    [1, 1],
    [-0, 0],
    [5n, 5],
    [-(2n ** 53n), -(2n ** 53n)],
    [0.1, '0.1'],
    [-1.5e-7, '-0.00000015'],
    [5e-324, `0.${'0'.repeat(323)}5`],
    [1e21, '1000000000000000000000'],
    [-1.25e25, '-12500000000000000000000000'],
    ['-12.50', '-12.50'],
    ['+007', 7],
    ['-0.00', '0.00'],
    ['-0', 0],
    ['9007199254740993', '9007199254740993'],
  ])('the operand %s is taken as %s', (given, operand) => {
    expect(counter('t', 'c').inc(given).where('true').build().operand).toBe(operand);
  });
});

describe('slices', () => {
  test('add, del and clean', async () => {
    const at = (id = 'a') => ['id = ?', id] as const;
    const tags = slice('meta', 'tags');
    for (const value of ['x', 1, { b: 1, a: [true, null] }, null, 'x', '1', 2n ** 70n, [1]]) {
      await run(tags.add(value).where(...at()));
    }
    expect(await stored('tags')).toBe(
      '["x", 1, {"a": [true, null], "b": 1}, null, "x", "1", 1180591620717411303424, [1]]',
    );
    await run(tags.del('x').where(...at()));
    expect(await stored('tags')).toBe(
      '[1, {"a": [true, null], "b": 1}, null, "1", 1180591620717411303424, [1]]',
    );
    await run(tags.del({ a: [true, null], b: 1 }).where(...at()));
    await run(tags.del(null).where(...at()));
    await run(tags.del('absent').where(...at()));
    expect(await stored('tags')).toBe('[1, "1", 1180591620717411303424, [1]]');
    await client.query(`UPDATE meta SET tags = '[1.0, 1, 1.00, 2]'`);
    await run(tags.del(1).where(...at()));
    expect(await stored('tags')).toBe('[2]');
    await run(tags.del(2).where(...at()));
    expect(await stored('tags')).toBe('[]');
    await run(tags.add('y').where(...at()));
    await run(tags.clean().where(...at()));
    expect(await stored('tags')).toBe('[]');
  });

  test('NULL counts as an empty array', async () => {
    await run(slice('meta', 'tags').del(1).where('id = ?', 'a'));
    expect(await stored('tags')).toBe('[]');
    // A column that is called like the columns of jsonb_array_elements.
    await run(slice('meta', 'value').add(1).where('id = ?', 'a'));
    await run(slice('meta', 'value').del(1).where('id = ?', 'a'));
    expect(await stored('value')).toBe('[]');
  });
});

describe('maps', () => {
  test('set, del, merge and clean, from NULL and from what is no object', async () => {
    const extra = map('meta', 'extra');
    for (const start of [null, 'null', '[1]', '"text"', '{}']) {
      for (const [step, expected] of [
        [extra.set('k', { n: 2n ** 60n }), '{"k": {"n": 1152921504606846976}}'],
        [extra.del('k'), '{}'],
        [extra.merge({ a: { b: 1 } }), '{"a": {"b": 1}}'],
        [extra.clean(), '{}'],
      ] as const) {
        await client.query('UPDATE meta SET extra = $1', [start]);
        await run(step.where('id = ?', 'a'));
        expect(await stored('extra')).toBe(expected);
      }
    }
    await run(extra.merge({ a: { b: 1, c: [1] }, d: 2 }).where('id = ?', 'a'));
    await run(extra.merge({ a: { c: [2], e: null }, d: { f: {} } }).where('id = ?', 'a'));
    expect(await stored('extra')).toBe('{"a": {"b": 1, "c": [2], "e": null}, "d": {"f": {}}}');
  });

  test('fault 12: a map key is never pasted into SQL', async () => {
    const hostile = [
      `'; DROP TABLE meta; --`,
      `a"b`,
      `}'::jsonb`,
      '?',
      '??',
      '$1',
      '',
      '__proto__',
      'a.b,c{d}',
      '\\',
      '0',
      'é😀',
    ];
    for (const key of hostile) {
      const at = map('meta', 'extra');
      const set = at.set(key, key).where('id = ?', 'a').build();
      expect(set.text).toBe(at.set('k', 0).where('id = ?', 'a').build().text);
      await run(set);
      const { rows } = await run(at.getKey(key).where('id = ?', 'a') as never);
      expect(rows).toEqual([{ extra: key }]);
      await run(at.merge({ [key]: { [key]: 1 } }).where('id = ?', 'a'));
      await run(at.del(key).where('id = ?', 'a'));
      expect(await stored('extra')).toBe('{}');
    }
  });
});

describe('reads', () => {
  test('get and getKey name their column', async () => {
    await client.query(`UPDATE meta SET big = 7, tags = '[1]', extra = '{"k": [1]}' WHERE id = 'a'`);
    const task = counter('meta', 'big').get().where('id = ?', 'a').batchKey('m').build();
    expect(task).toStrictEqual({
      kind: 'counter',
      op: 'get',
      key: undefined,
      table: 'meta',
      column: 'big',
      where: { text: 'id = ?', parts: ['id = ', ''], values: ['a'] },
      orInsert: undefined,
      batchKey: 'm',
      text: 'SELECT "big" AS "big" FROM "meta" WHERE (id = $1)',
      values: ['a'],
    });
    expect((await client.query(task.text, [...task.values])).rows).toEqual([{ big: '7' }]);
    const tags = slice('meta', 'tags').get().where('id = ?', 'a').build();
    expect((await client.query(tags.text, [...tags.values])).rows).toEqual([{ tags: [1] }]);
    const key = map('meta', 'extra').getKey('k').where('id = ?', 'a').build();
    expect(key).toMatchObject({ op: 'getKey', key: 'k', values: ['k', 'a'] });
    expect((await client.query(key.text, [...key.values])).rows).toEqual([{ extra: [1] }]);
    const extra = map('meta', 'extra').get().where('id = ?', 'a').build();
    expect((await client.query(extra.text, [...extra.values])).rows).toEqual([{ extra: { k: [1] } }]);
  });
});

describe('orInsert', () => {
  test.each(counterColumns)('a row is inserted once, then updated: %s', async (column) => {
    const like = counter('meta', column).inc(2).where('id = ?', 'new').orInsert({ id: 'new', note: "it's" });
    expect((await run(like)).rowCount).toBe(1);
    expect(Number(await stored(column, 'new'))).toBe(2);
    expect(await stored('note', 'new')).toBe("it's");
    expect((await run(like)).rowCount).toBe(1);
    expect(Number(await stored(column, 'new'))).toBe(4);
    expect(await stored(column)).toBe(null);
  });

  test('every operation starts from zero or empty, or from what is given', async () => {
    const cases = [
      ['money', counter('meta', 'money').inc('0.10'), '5.25', '0.10', '5.35'],
      ['big', counter('meta', 'big').dec(1), 2n ** 60n, '-1', '1152921504606846975'],
      ['big', counter('meta', 'big').mul(3), 2, '0', '6'],
      ['big', counter('meta', 'big').set(9), 2, '9', '9'],
      ['big', counter('meta', 'big').clean(), 2, '0', '0'],
      ['tags', slice('meta', 'tags').add('x'), [1], '["x"]', '[1, "x"]'],
      ['tags', slice('meta', 'tags').del(1), [1, 2], '[]', '[2]'],
      ['tags', slice('meta', 'tags').clean(), [1], '[]', '[]'],
      ['extra', map('meta', 'extra').set('k', 1), { a: 1 }, '{"k": 1}', '{"a": 1, "k": 1}'],
      ['extra', map('meta', 'extra').del('a'), { a: 1, b: 2 }, '{}', '{"b": 2}'],
      [
        'extra',
        map('meta', 'extra').merge({ a: { c: 1 } }),
        { a: { b: 1 } },
        '{"a": {"c": 1}}',
        '{"a": {"b": 1, "c": 1}}',
      ],
      ['extra', map('meta', 'extra').clean(), { a: 1 }, '{}', '{}'],
    ] as const;
    for (const [column, step, start, fromNothing, fromStart] of cases) {
      await client.query('TRUNCATE meta');
      await run(step.where('id = ?', 'a').orInsert({ id: 'a' }));
      await run(step.where('id = ?', 'b').orInsert({ id: 'b', [column]: start }));
      await run(step.where('id = ?', 'c').orInsert({ [column]: null, id: 'c' }));
      expect([
        column,
        step.where('true').build().op,
        await stored(column),
        await stored(column, 'b'),
      ]).toEqual([column, step.where('true').build().op, fromNothing, fromStart]);
      expect(await stored(column, 'c')).toBe(fromNothing);
    }
  });

  test('the same where and columns give the same text, other ones do not', () => {
    const at = counter('meta', 'big').inc(1);
    const plain = at.where('id = ?', 1).build();
    const one = at.where('id = ?', 1).orInsert({ id: 1 }).build();
    const two = at.where('id = ?', 2).orInsert({ id: 2, note: 'x' }).build();
    expect(new Set([plain.text, one.text, two.text]).size).toBe(3);
    expect(at.where('id = ?', 3).orInsert({ id: 3 }).build().text).toBe(one.text);
    const either = [at.where('NOT true').build(), at.where('true').orInsert({ NOT: 1 }).build()];
    expect(either.map(({ text }) => text.split(' ')[0])).toEqual(['UPDATE', 'MERGE']);
    expect(two.orInsert).toEqual({ id: 2, note: 'x' });
    expect(two.values).toEqual(['1', 2, 2, 'x']);
  });

  test('of two sessions that insert one row at a time, one fails and none is lost', async () => {
    const other = new pg.Client({ connectionString: dsn });
    await other.connect();
    try {
      const like = counter('meta', 'big').inc(1).where('id = ?', 'race').orInsert({ id: 'race' });
      const pid = (await other.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
      await client.query('BEGIN');
      await run(like);
      const second = run(like, other);
      const settled = expect(second).rejects.toMatchObject({ code: '23505' });
      // Until the second one waits for the first.
      const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND pid = $1`;
      while ((await client.query(waiting, [pid])).rowCount === 0);
      await client.query('COMMIT');
      await settled;
      await run(like, other);
      expect(await stored('big', 'race')).toBe('2');
    } finally {
      await other.end();
    }
  });
});

describe('conditions', () => {
  test('stay one unit between parentheses', async () => {
    await client.query('UPDATE meta SET big = 0');
    await run(counter('meta', 'big').inc(1).where(`id = ? -- or 'b'`, 'a'));
    await run(counter('meta', 'big').inc(1).where('id = ? /* ? */ OR false', 'a'));
    await run(counter('meta', 'big').inc(1).where('id = ANY(?)', ['a', 'c']));
    await run(
      counter('meta', 'big')
        .inc(1)
        .where(`id = ? AND (note ?? ?) IS NULL`.replace('note', 'extra'), 'a', 'k'),
    );
    expect([await stored('big'), await stored('big', 'b')]).toEqual(['4', '0']);
  });

  test('schema-qualified tables and names with capitals', async () => {
    await run(
      table('Social.Meta').column('likeCount').counter().inc(1).where('id = ?', 'x').orInsert({ id: 'x' }),
    );
    await run(counter('Social.Meta', 'likeCount').inc(1).where('"Meta".id = ?', 'x'));
    const { rows } = await client.query('SELECT "likeCount" FROM "Social"."Meta"');
    expect(rows).toEqual([{ likeCount: '2' }]);
  });
});
