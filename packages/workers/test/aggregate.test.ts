import type pg from 'pg';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Condition, parseCondition } from '../dist/aggregate/condition.js';
import { canonicalKey, type KeyType } from '../dist/aggregate/row-key.js';
import type { OperationInput } from './fold-fixture.js';
import { openDatabase } from './fold-fixture.js';
import { counter, WriteBehind } from './write-behind.js';

describe('a condition', () => {
  const columns = new Set(['id', 'name', 'user', 'stock', 'Mixed', 'select', 'lower']);
  const parse = (text: string, table = 'shop.items'): Condition =>
    parseCondition(text.split('?'), table, columns);

  test.each([
    ['id = ?', ['id']],
    ['id=?', ['id']],
    ['? = id', ['id']],
    [' "id"\n=\t? ', ['id']],
    ['ID = ? AND Name = ?', ['id', 'name']],
    ['id = ? and items.name = ?', ['id', 'name']],
    ['"Mixed" = ?', ['Mixed']],
    ['items."select" = ?', ['select']],
    ['"user" = ?', ['user']],
  ])('%j tells rows apart by keys', (text, keys) => {
    expect(parse(text)).toEqual({ reads: 'keys', columns: keys });
  });

  test.each([
    ['id = ? OR id = ?', ['id']],
    ['(id = ?)', ['id']],
    ['id = ? AND id = ?', ['id']],
    ['id = ? AND stock > 0', ['id', 'stock']],
    ["lower(name) = ? AND name <> 'it''s'", ['name']],
    ['id IN (?, ?) AND NOT name IS NULL', ['id', 'name']],
    ['id = ?::bigint', ['id']],
    ['id + 1 = ?', ['id']],
    ['name LIKE ?', ['name']],
  ])('%j reads only its row', (text, read) => {
    const condition = parse(text);
    expect(condition.reads).toBe('row');
    if (condition.reads === 'row') expect([...condition.columns].sort()).toEqual(read);
  });

  test.each([
    'user = ?', // the session's user, not the column
    'Mixed = ?', // folded to lower case: no such column
    'missing = ?',
    'other.id = ?',
    'shop.items.id = ?',
    'items = ?', // the whole row
    'select = ?',
    'id = ? -- ',
    'id = ? /* */',
    "id = ? AND name = E'\\''",
    "id = ? AND name = 'a\\'",
    'id = ? AND U&"id" = 1',
    'id = $1 AND name = ?',
    'id = ? AND name = $$x$$',
    'id = (SELECT ?)',
    'EXISTS (SELECT FROM t WHERE id = ?)',
    'mine(id) = ?',
    'LOWER (name) = upper (mine(?))',
    'id = ANY(?)',
    'id @> ?',
    'id == ?',
    'id = ? id',
    `id = ? AND ${'x'.repeat(64)} = 1`,
    'id = ? ;',
    '',
  ])('%j may read anything', (text) => {
    const condition = parse(text);
    // What is no sentence at all may count as reading its row: PostgreSQL refuses it.
    if (text === 'id = ? id' || text === '') expect(condition.reads).not.toBe('keys');
    else expect(condition).toEqual({ reads: 'opaque' });
  });
});

describe('a key', () => {
  test.each<[KeyType, unknown, string | undefined]>([
    ['int4', 1, '1'],
    ['int4', '1', '1'],
    ['int4', ' +001 ', '1'],
    ['int4', 1n, '1'],
    ['int4', -0, '0'],
    ['int4', '-0', '0'],
    ['int4', 1.5, undefined],
    ['int4', '1.0', undefined],
    ['int4', '0x1', undefined],
    ['int4', 2 ** 31, undefined],
    ['int8', 2n ** 63n - 1n, '9223372036854775807'],
    ['int8', 2n ** 63n, undefined],
    ['int2', -32768, '-32768'],
    ['int4', null, undefined],
    ['int4', undefined, undefined],
    ['int4', true, undefined],
    ['text', 1, '1'],
    ['text', 'a ', 'a '],
    ['text', '\ud800', '\ufffd'],
    ['text', 'a\0', undefined],
    ['text', new Date(0), undefined],
    ['uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['uuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', undefined],
    ['bool', 'T', 'true'],
    ['bool', false, 'false'],
    ['bool', 'yes', undefined],
  ])('%s %o is %o', (type, value, text) => {
    expect(canonicalKey(type, value)).toBe(text);
  });
});

describe('groups', () => {
  let client: pg.Client;
  let behind: WriteBehind;

  beforeAll(async () => {
    let dsn: string;
    ({ client, dsn } = await openDatabase(`
      CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE t (id int PRIMARY KEY, slug text UNIQUE, nick text COLLATE loose, code char(4), price numeric,
        likes int, views int, twice int GENERATED ALWAYS AS (likes * 2) STORED);
      CREATE TABLE other (id int PRIMARY KEY, likes int);
      CREATE TABLE parent (id int, likes int) PARTITION BY RANGE (id);
      CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (1000000);
      CREATE VIEW seen AS SELECT id, likes FROM t;`));
    behind = new WriteBehind(dsn);
    await behind.start();
    return () => client.end();
  });
  beforeEach(() => {
    behind.aggregator.take();
  });

  const batchKey = 'k';
  const by = (where: string, ...whereValues: unknown[]): Partial<OperationInput> => ({
    batchKey,
    where,
    whereValues,
  });
  const on = (id: unknown, more: Partial<OperationInput> = {}) =>
    counter('inc', 1, id, { batchKey, ...more });
  const levels = () =>
    behind.aggregator.pending.levels.map((level) => level.map(({ operations }) => operations));

  test('one row named in different ways is one group where its type has one text for a value', async () => {
    await behind.add(on(1), on('1'), on(1n), on(' 01'), counter('inc', 1, 1), counter('inc', 1, '1'));
    expect(levels()).toEqual([[4, 2]]);
  });

  test('values that may be equal to the database keep their order', async () => {
    await behind.add(on(1, by('price = ?', 1)), on(1, by('price = ?', '1.0')), on(1, by('price = ?', 1)));
    expect(levels()).toEqual([[1], [1], [1]]);
    behind.aggregator.take();
    await behind.add(on(1, by('nick = ?', 'a')), on(1, by('nick = ?', 'A')), on(1, by('code = ?', 'a')));
    await behind.add(on(1, by('code = ?', 'a ')), on(1, by('code = ?', 'a ')));
    expect(levels()).toEqual([[1], [1], [1], [2]]);
  });

  test('rows and columns that cannot meet share a level, and merge past each other', async () => {
    await behind.add(on(1), on(2), on(1, { column: 'views' }), on(1, { table: 'other' }), on(1), on(2));
    expect(levels()).toEqual([[2, 2, 1, 1]]);
  });

  test('another condition on the table comes after, and closes what was before', async () => {
    await behind.add(on(1), on(1, by('slug = ?', 'a')), on(1), on(2));
    expect(levels()).toEqual([[1], [1], [1, 1]]);
    behind.aggregator.take();
    await behind.add(
      on(1),
      on(1, { table: 'other' }),
      on(1, by('slug = ? OR id = 1', 'a')),
      on(1, { table: 'other' }),
    );
    expect(levels()).toEqual([[1, 2], [1]]);
  });

  test('one table under two names is one table', async () => {
    await behind.add(on(1), on(1, { table: 'public.t' }), on(1));
    expect(levels()).toEqual([[1], [1], [1]]);
    behind.aggregator.take();
    await behind.add(on(1, { table: 'parent' }), on(1, { table: 'child' }), on(1, { table: 'parent' }));
    expect(levels()).toEqual([[1], [1], [1]]);
  });

  test('a view, a query or a statement of the caller comes after everything, and before everything later', async () => {
    const text = 'UPDATE t SET likes = 1';
    const content = () => behind.aggregator.add({ kind: 'content', text, values: [], batchKey, producer: 0 });
    await behind.add(on(1), on(1, { table: 'other' }), on(1, { table: 'seen' }), on(1, { table: 'other' }));
    await behind.add(on(1, by('id = (SELECT max(id) - ? FROM other)', 0)));
    content();
    content();
    await behind.add(on(1));
    expect(levels()).toEqual([[1, 1], [1], [1], [1], [2], [1]]);
  });

  test('a condition on what the operation changes is never folded', async () => {
    const own = by('id = ? AND likes < ?', 1, 3);
    await behind.add(on(1, own), on(1, own), on(1, by('likes = ?', 1)), on(1, by('twice = ?', 2)));
    await behind.add(on(1, { ...own, column: 'views' }), on(1, { ...own, column: 'views' }));
    expect(levels()).toEqual([[1], [1], [1], [1], [2]]);
  });

  test('a statement replaces the one before it only if nothing came in between', async () => {
    const add = (n: number, key: string | undefined, text = 'UPDATE t SET views = $1') =>
      behind.aggregator.add({ kind: 'content', text, values: [n], batchKey: key, producer: 9 });
    for (const n of [1, 2, 3]) add(n, 'a');
    for (const n of [1, 2]) add(n, undefined);
    add(1, 'b');
    await behind.add(on(1, { batchKey: 'b' }));
    add(2, 'b');
    add(2, 'b', 'UPDATE t SET views = $1 + 1');
    const groups = behind.aggregator.pending.levels.map((level) =>
      level.map((group) => (group.kind === 'content' ? `${group.values[0]}/${group.operations}` : 'counter')),
    );
    expect(groups).toEqual([['3/3', '1/1', '1/1'], ['2/1', 'counter'], ['2/1'], ['2/1']]);
    expect(behind.aggregator.operations).toBe(9);
  });

  test('rows to insert come before what expects them, and in the order of their tables', async () => {
    const insert = { id: 1 };
    await behind.add(on(1), on(1, { column: 'views', insert }), on(1), on(1, { column: 'views', insert }));
    await behind.add(on(1, { table: 'other', insert }));
    expect(levels()).toEqual([[1], [2], [1, 1]]);
  });

  test('an insert that another row may refuse, or that is not the row of its condition, is never folded', async () => {
    const slug = { insert: { id: 1, slug: 'x' } };
    const elsewhere = { insert: { id: 2 } };
    await behind.add(on(1, slug), on(1, slug), on(1, elsewhere), on(1, elsewhere));
    expect(levels()).toEqual([[1], [1], [1], [1]]);
    behind.aggregator.take();
    const itself = { insert: { id: 1 } };
    await behind.add(on(1, itself), on(1, itself), on(1, elsewhere), on(1, itself), on(1, itself));
    expect(levels()).toEqual([[2], [1], [2]]);
  });

  test('a batch key with thousands of rows keeps its order at bounded cost', async () => {
    await client.query('INSERT INTO t (id) SELECT n FROM generate_series(1, 3000) n');
    for (let round = 0; round < 3; round++) {
      for (let id = 1; id <= 3000; id++) {
        await behind.add(counter(round === 1 ? 'mul' : 'inc', round + 2, id, { batchKey }));
      }
    }
    expect(behind.aggregator.operations).toBe(9000);
    expect(behind.aggregator.groups).toBeLessThanOrEqual(9000);
    const read = await behind.read(counter('inc', 0, 5, { batchKey }));
    expect(read).toEqual({ flushFirst: true });
    const result = await behind.flusher.flush(behind.aggregator.take(), 9000n);
    expect(result.statements).toBeLessThan(30);
    const { rows } = await client.query('SELECT DISTINCT likes FROM t');
    expect(rows).toEqual([{ likes: 10 }]);
  });
});
