import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { sql, toTask } from '../dist/sql/index.js';

let client: pg.Client;
const run = (builder: Parameters<typeof toTask>[0]) => {
  const task = toTask(builder);
  return client.query(task.text, [...task.values]);
};

beforeAll(async () => {
  client = new pg.Client({ connectionString: await createDatabase(inject('postgresPort')) });
  await client.connect();
  await client.query(
    `CREATE TABLE feeds (id text PRIMARY KEY, content text, status text, n bigint, data jsonb, tags text[],
     at timestamptz, raw bytea, f float8)`,
  );
});

beforeEach(() => client.query('TRUNCATE feeds'));
afterAll(() => client.end());

const insert = 'INSERT INTO feeds (id, content) VALUES (?, ?)';

describe('sql', () => {
  test('a built task is plain, frozen and complete', () => {
    const task = sql(insert, 'a', 'b').batchKey('k').build();
    expect(task).toStrictEqual({
      kind: 'content',
      text: 'INSERT INTO feeds (id, content) VALUES ($1, $2)',
      values: ['a', 'b'],
      batchKey: 'k',
    });
    expect(Object.isFrozen(task) && Object.isFrozen(task.values)).toBe(true);
    expect(structuredClone(task)).toEqual(task);
    expect(toTask(task)).toBe(task);
  });

  test('values of every kind reach PostgreSQL and come back', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z');
    const values = [
      'i?d',
      2n ** 62n,
      { a: [1, 2n ** 60n] },
      ['x', "'", null],
      at,
      Buffer.from([0, 1]),
      Number.NaN,
    ];
    const builder = sql(
      'INSERT INTO feeds (id, n, data, tags, at, raw, f) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...values,
    ).returning('id', 'n', 'tags', 'at', 'raw', 'f');
    at.setTime(0);
    const { rows } = await run(builder);
    expect(rows).toEqual([
      {
        id: 'i?d',
        n: '4611686018427387904',
        tags: ['x', "'", null],
        at: new Date('2026-01-02T03:04:05.678Z'),
        raw: Buffer.from([0, 1]),
        f: Number.NaN,
      },
    ]);
    const data = await client.query('SELECT data::text AS data FROM feeds');
    expect(data.rows).toEqual([{ data: '{"a": [1, 1152921504606846976]}' }]);
  });

  test('onConflict: doUpdate, doUpdateSet and doNothing', async () => {
    await run(sql(insert, 'a', 'one'));
    await run(sql(insert, 'a', 'two').onConflict('id').doNothing());
    expect((await run(sql('SELECT content FROM feeds'))).rows).toEqual([{ content: 'one' }]);
    const updated = await run(sql(insert, 'a', 'three').onConflict('id').doUpdate('content').returning());
    expect(updated.rows).toMatchObject([{ id: 'a', content: 'three', status: null }]);
    const both = sql(insert, 'a', 'four')
      .onConflict('id')
      .doUpdateSet('status', 'active')
      .doUpdate('content')
      .doUpdateSet('n', 5n)
      .returning('content', 'status', 'n');
    expect(both.build().text).toBe(
      'INSERT INTO feeds (id, content) VALUES ($1, $2) ON CONFLICT ("id") DO UPDATE SET "status" = $3, ' +
        '"content" = EXCLUDED."content", "n" = $4 RETURNING "content", "status", "n"',
    );
    expect((await run(both)).rows).toEqual([{ content: 'four', status: 'active', n: '5' }]);
    expect((await run(sql(insert, 'a', 'five').onConflict().doNothing())).rowCount).toBe(0);
  });

  test.each([
    `${insert};`,
    `${insert} -- a comment; with a semicolon`,
    `${insert} ; -- it's`,
    `${insert} ;; /* ; */ ; `,
  ])('what is appended is not swallowed by the end of the text: %s', async (text) => {
    await run(sql(text, 'a', 'one'));
    const { rows } = await run(
      sql(text, 'a', 'two').onConflict('id').doUpdate('content').returning('content'),
    );
    expect(rows).toEqual([{ content: 'two' }]);
  });

  test('a builder can be continued in several ways and never changes what was built', () => {
    const base = sql(insert, 'a', 'b');
    const before = base.build();
    const conflict = base.onConflict('id');
    const first = conflict.doUpdateSet('status', 1).build();
    const second = conflict.doUpdateSet('status', 2).returning().build();
    expect(base.build()).toEqual(before);
    expect(first.values).toEqual(['a', 'b', 1]);
    expect(second.values).toEqual(['a', 'b', 2]);
    expect(before.values).toEqual(['a', 'b']);
  });

  test.each<[string, () => unknown]>([
    ['onConflict twice', () => sql(insert, 1, 2).onConflict('id').doNothing().onConflict('id')],
    ['onConflict after returning', () => sql(insert, 1, 2).returning().onConflict('id')],
    ['returning twice', () => sql(insert, 1, 2).returning().returning()],
    ['doUpdate without columns', () => sql(insert, 1, 2).onConflict('id').doUpdate()],
    ['doUpdate without a target', () => sql(insert, 1, 2).onConflict().doUpdate('content')],
    ['doUpdateSet without a target', () => sql(insert, 1, 2).onConflict().doUpdateSet('content', 1)],
    ['doUpdate without onConflict', () => sql(insert, 1, 2).doUpdate('content')],
    ['doUpdateSet after doNothing', () => sql(insert, 1, 2).onConflict('id').doNothing().doUpdateSet('n', 1)],
    ['onConflict alone', () => toTask(sql(insert, 1, 2).onConflict('id'))],
    ['clauses behind two statements', () => sql('SELECT 1; SELECT 2').returning()],
    ['a hostile target', () => sql(insert, 1, 2).onConflict('id") DO NOTHING; --')],
    ['a hostile column', () => sql(insert, 1, 2).onConflict('id').doUpdate('content" = 1; --')],
    ['a hostile returning', () => sql(insert, 1, 2).returning('*; DROP TABLE feeds')],
    ['an empty batch key', () => sql(insert, 1, 2).batchKey('')],
    ['a batch key beyond 512 bytes', () => sql(insert, 1, 2).batchKey('é'.repeat(257))],
    ['a batch key with a lone surrogate', () => sql(insert, 1, 2).batchKey('\udc00')],
    ['a batch key that is no string', () => sql(insert, 1, 2).batchKey(5 as unknown as string)],
    ['no task at all', () => toTask({} as never)],
    [
      'a task of unknown making',
      () => toTask({ kind: 'content', text: 'x', values: [], batchKey: undefined }),
    ],
    ['null', () => toTask(null as never)],
  ])('%s is an InvalidTaskError', (_, act) => {
    expect(act).toThrow(expect.objectContaining({ name: 'InvalidTaskError', code: 'INVALID_TASK' }));
  });

  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  test.each<[string, unknown, RegExp]>([
    ['undefined', undefined, /value 2 is undefined/],
    ['a function', () => {}, /value 2 is a function/],
    ['a symbol', Symbol('s'), /value 2 is a symbol/],
    ['an invalid date', new Date(Number.NaN), /value 2 is an invalid date/],
    ['U+0000', 'ab\0', /value 2: .*U\+0000 \(character 3\)/],
    ['a lone surrogate', `${'x'.repeat(40)}\udfff`, /lone surrogate \(character 41\)/],
    ['an undefined element', ['a', undefined], /value 2\[1\] is undefined/],
    ['a hole', new Array(1), /value 2\[0\] is undefined/],
    ['U+0000 in an element', ['\0'], /value 2\[0\]/],
    ['a cyclic array', cyclic, /more than 6 dimensions/],
    ['a Map', new Map(), /an instance of Map/],
    ['a Float64Array', new Float64Array(1), /an instance of Float64Array/],
    ['NaN in JSON', { a: { b: [Number.NaN] } }, /value 2\["a"\]\["b"\]\[0\] is NaN/],
  ])('the value %s is an InvalidValueError', (_, value, message) => {
    const act = () => sql(insert, 'a', value);
    expect(act).toThrow(
      expect.objectContaining({ code: 'INVALID_VALUE', message: expect.stringMatching(message) }),
    );
  });

  test('more values than the protocol counts are refused', () => {
    const list = new Array(65_536).fill('?').join(',');
    expect(() => sql(`SELECT ${list}`, ...new Array(65_536).fill(1))).toThrow(/at most 65535/);
  });
});
