import { createDatabase } from '@zmsg/testbed';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { counter, jsonText, map, quoteIdentifier, slice, sql, table, toTask } from '../dist/sql/index.js';

let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client({ connectionString: await createDatabase(inject('postgresPort')) });
  await client.connect();
});

afterAll(() => client.end());

const invalid = (code: 'INVALID_TASK' | 'INVALID_VALUE', message: RegExp = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const loose = (value: unknown) => value as never;

describe('identifiers', () => {
  const hostile = [
    'a"; DROP TABLE x; --',
    'a;b',
    "a'b",
    'a b',
    'a-b',
    '',
    '1a',
    '"a"',
    'a\0',
    'a\n',
    '\ud800',
    '(SELECT 1)',
    '*',
    'a'.repeat(64),
    'é'.repeat(32),
  ];
  test.each(hostile)('%j is refused wherever a name is taken', (name) => {
    const refused = invalid('INVALID_TASK');
    expect(() => quoteIdentifier(name)).toThrow(refused);
    expect(() => counter(name, 'c')).toThrow(refused);
    expect(() => counter(`public.${name}`, 'c')).toThrow(refused);
    expect(() => counter(`${name}.t`, 'c')).toThrow(refused);
    for (const make of [counter, slice, map]) expect(() => make('t', name)).toThrow(refused);
    expect(() => table(name)).toThrow(refused);
    expect(() => table('t').column(name)).toThrow(refused);
    expect(() => counter('t', 'c').orInsert({ [name]: 1 })).toThrow(refused);
    expect(() => sql('SELECT 1').returning(name)).toThrow(refused);
    // Not remembered as valid by the first attempt.
    expect(() => counter(name, 'c')).toThrow(refused);
  });

  test('a column is never split at a dot, a table at one only', () => {
    expect(() => counter('t', 'a.b')).toThrow(invalid('INVALID_TASK', /"a\.b" is no column name/));
    expect(() => counter('a.b.c', 'd')).toThrow(invalid('INVALID_TASK', /schema\.name/));
    expect(() => counter(loose(5), 'd')).toThrow(invalid('INVALID_TASK', /not number/));
    expect(() => counter('t', loose(undefined))).toThrow(invalid('INVALID_TASK', /not undefined/));
    expect(() => counter('t', loose(Symbol('x')))).toThrow(invalid('INVALID_TASK', /not symbol/));
  });

  test('what passes is one identifier for the server', async () => {
    for (const name of ['like_count', '_x$1', 'Überschrift', '名前', 'select', 'a'.repeat(63), '__proto__']) {
      const { fields } = await client.query(`SELECT 1 AS ${quoteIdentifier(name)}`);
      expect(fields.map((field) => field.name)).toEqual([name]);
    }
  });

  test('no string breaks out of an identifier', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), async (name) => {
        let quoted: string;
        try {
          quoted = quoteIdentifier(name);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_TASK' });
          return;
        }
        expect((await client.query(`SELECT 1 AS ${quoted}`)).fields[0]?.name).toBe(name);
      }),
      { numRuns: 500 },
    );
  });
});

describe('conditions', () => {
  test.each<[string, unknown[], RegExp]>([
    ['id = 1; DELETE FROM t', [], /no semicolon \(character 7\)/],
    ['id = ?;', [1], /no semicolon/],
    ['id = 1) OR (1 = 1', [], /parenthesis at character 7/],
    ['(id = 1', [], /parenthesis at character 1/],
    ['id = $1', [1], /uses \? for its parameters/],
    ["id = '", [], /not terminated/],
    ['id = 1 /*', [], /not terminated/],
    ['', [], /empty/],
    ['-- all', [], /empty/],
    ['id = ?', [], /1 placeholder, but 0 values/],
    [loose(undefined), [], /not undefined/],
  ])('%j is refused', (text, values, message) => {
    expect(() => counter('t', 'c').where(text, ...values)).toThrow(invalid('INVALID_TASK', message));
  });

  test('values are checked like those of a statement', () => {
    const at = counter('t', 'c').inc();
    expect(() => at.where('id = ?', undefined)).toThrow(invalid('INVALID_VALUE', /value 1 is undefined/));
    expect(() => at.where('a = ? AND b = ?', 1, '\ud800')).toThrow(invalid('INVALID_VALUE', /value 2/));
  });
});

describe('operations', () => {
  test.each<[string, () => unknown]>([
    ['two operations', () => counter('t', 'c').inc().inc()],
    ['a read after a write', () => map('t', 'c').clean().getKey('k')],
    ['no operation', () => counter('t', 'c').where('true').build()],
    ['no condition', () => toTask(slice('t', 'c').clean())],
    ['two conditions', () => counter('t', 'c').where('true').where('true')],
    ['a read that inserts', () => counter('t', 'c').get().where('true').orInsert({ id: 1 }).build()],
    ['an empty orInsert', () => counter('t', 'c').orInsert({})],
    ['an orInsert of an array', () => counter('t', 'c').orInsert(loose([1]))],
    ['two orInserts', () => counter('t', 'c').orInsert({ a: 1 }).orInsert({ b: 1 })],
    ['an empty batch key', () => counter('t', 'c').batchKey('')],
    ['a batch key with U+0000', () => counter('t', 'c').batchKey('\0')],
    ['a batch key of 513 bytes', () => counter('t', 'c').batchKey('x'.repeat(513))],
  ])('%s is an InvalidTaskError', (_, act) => {
    expect(act).toThrow(invalid('INVALID_TASK'));
  });

  test.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['text with an exponent', '1e5'],
    ['the text NaN', 'NaN'],
    ['empty text', ''],
    ['padded text', ' 1'],
    ['a half number', '1.'],
    ['hexadecimal text', '0x1'],
    ['null', null],
    ['a boolean', true],
    ['an object', {}],
    ['too many digits', '1'.repeat(131_073)],
    ['too many decimals', `0.${'1'.repeat(16_384)}`],
    ['too big a bigint', 10n ** 131_072n],
  ])('the counter operand %s is an InvalidValueError', (_, value) => {
    for (const op of ['inc', 'dec', 'mul', 'set'] as const) {
      expect(() => counter('t', 'c')[op](loose(value))).toThrow(
        invalid('INVALID_VALUE', new RegExp(`operand of ${op} on t\\.c`)),
      );
    }
  });

  const cyclic: Record<string, unknown> = { a: {} };
  cyclic.a = { b: [cyclic] };
  let deep: unknown = 1;
  for (let i = 0; i < 1001; i++) deep = [deep];
  test.each<[string, unknown, RegExp]>([
    ['undefined', undefined, /is undefined/],
    ['a function', () => {}, /is a function/],
    ['a symbol', Symbol('s'), /is a symbol/],
    ['NaN', Number.NaN, /is NaN/],
    ['undefined in an array', [1, undefined], /\[1\] is undefined/],
    ['a hole', new Array(2), /\[0\] is undefined/],
    ['U+0000', 'a\0', /U\+0000/],
    ['U+0000 in a key', { 'a\0': 1 }, /U\+0000/],
    ['a lone surrogate inside', { a: ['\udfff'] }, /\["a"\]\[0\]: .*lone surrogate/],
    ['NaN behind other elements', [[1], { a: 1 }, { b: [2, Number.NaN] }], /\[2\]\["b"\]\[1\] is NaN/],
    ['a cycle', cyclic, /contains itself/],
    ['1,001 levels', deep, /more than 1000 levels/],
    ['a Map', new Map(), /an instance of Map/],
    ['bytes', Buffer.from('x'), /an instance of Buffer/],
    ['a class instance', new (class Post {})(), /an instance of Post/],
    ['an invalid date', new Date(Number.NaN), /an invalid date/],
    ['a toJSON that returns undefined', { toJSON() {} }, /is undefined/],
  ])('the JSON value %s is an InvalidValueError', (_, value, message) => {
    const refused = invalid('INVALID_VALUE', message);
    expect(() => slice('t', 'c').add(value)).toThrow(refused);
    expect(() => slice('t', 'c').del(value)).toThrow(refused);
    expect(() => map('t', 'c').set('k', value)).toThrow(refused);
    expect(() => map('t', 'c').merge({ k: [value] })).toThrow(invalid('INVALID_VALUE'));
    expect(() => slice('t', 'c').orInsert({ c: [value] })).toThrow(invalid('INVALID_VALUE'));
  });

  test('map keys are well-formed strings, and merge takes a plain object', () => {
    for (const key of [undefined, 5, null, 'a\0', '\ud800']) {
      for (const act of [
        () => map('t', 'c').set(loose(key), 1),
        () => map('t', 'c').del(loose(key)),
        () => map('t', 'c').getKey(loose(key)),
      ]) {
        expect(act).toThrow(invalid('INVALID_VALUE', /the key of/));
      }
    }
    for (const value of [[], null, 'x', 5, new Date(), new Map(), { toJSON: () => [1] }]) {
      expect(() => map('t', 'c').merge(loose(value))).toThrow(invalid('INVALID_VALUE', /merge on t\.c/));
    }
  });

  test('the start value of orInsert fits its column', () => {
    expect(() => counter('t', 'c').orInsert({ c: 'x' })).toThrow(invalid('INVALID_VALUE', /orInsert's "c"/));
    expect(() => slice('t', 'c').orInsert({ c: {} })).toThrow(invalid('INVALID_VALUE', /not an array/));
    expect(() => map('t', 'c').orInsert({ c: [] })).toThrow(invalid('INVALID_VALUE', /not a plain object/));
    expect(() => map('t', 'c').orInsert({ d: undefined })).toThrow(
      invalid('INVALID_VALUE', /"d" is undefined/),
    );
  });
});

describe('tasks', () => {
  test('are deeply frozen, and builders can be kept and continued', () => {
    const base = counter('t', 'c');
    const one = base.inc(1).where('id = ?', 'a');
    const built = one.orInsert({ id: 'a' }).build();
    const { where, orInsert, values } = built;
    for (const part of [built, values, where, where.parts, where.values, orInsert]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(structuredClone(built)).toEqual(built);
    const copy = structuredClone(built);
    base.dec(2).where('x = ?', 1).build();
    one.batchKey('k').build();
    expect(built).toEqual(copy);
    expect(one.build()).toEqual(one.build());
    expect(one.batchKey('k').build().batchKey).toBe('k');
    expect(one.build().batchKey).toBe(undefined);
  });

  test('later changes of what was given do not reach them', () => {
    const element = { a: [1] };
    const row = { id: 'x', extra: element };
    const task = slice('t', 'c')
      .add(element)
      .where('d = ? AND e = ANY(?)', element, [element])
      .orInsert(row)
      .build();
    const before = structuredClone(task);
    element.a.push(2);
    row.id = 'y';
    expect(task).toEqual(before);
  });

  test('thousands of tables, columns and conditions do not mix', () => {
    for (let i = 0; i < 3000; i++) {
      const at = counter(`t${i % 700}`, `c${i % 90}`);
      const { text } = (i % 2 === 0 ? at.set(i) : at.clean()).where(`id${i % 130} = ?`, i).build();
      const [value, n] = i % 2 === 0 ? ['$1::numeric', 2] : ['0', 1];
      expect(text).toBe(`UPDATE "t${i % 700}" SET "c${i % 90}" = ${value} WHERE (id${i % 130} = $${n})`);
    }
  });
});

describe('jsonText', () => {
  test('agrees with JSON.stringify on JSON values', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        fc.pre(!JSON.stringify(value).includes('\\u0000'));
        expect(jsonText(value, 'it')).toBe(JSON.stringify(value));
      }),
    );
  });

  test('bounds the depth, not the number of elements', () => {
    const wide = Array.from({ length: 3000 }, () => [{}]);
    expect(jsonText(wide, 'it')).toBe(JSON.stringify(wide));
  });

  test('keeps bigints, dates and undefined properties as documented', () => {
    const value = { id: 2n ** 60n, at: new Date(0), gone: undefined, list: [-0, 1e21] };
    expect(jsonText(value, 'it')).toBe(
      '{"id":1152921504606846976,"at":"1970-01-01T00:00:00.000Z","list":[0,1e+21]}',
    );
  });
});
