import { createDatabase } from '@zmsg/testbed';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { counter, sql } from '../dist/sql/index.js';

let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client({ connectionString: await createDatabase(inject('postgresPort')) });
  await client.connect();
});

afterAll(() => client.end());

/** A piece of SQL that knows, without any scanning, what becomes of it. */
interface Piece {
  source: string;
  /** With `#` for its parameter, if it has one. */
  expected: string;
  value: string;
  parameter?: string;
}

const literal = (source: string, value: string): Piece => ({ source, expected: source, value });
const bits = ['a', '?', '??', '$1', '$$', '$x$', '--', '/*', '*/', ';', '(', '"', ' ', 'é', '\n'];
const content = (...more: string[]) => fc.array(fc.constantFrom(...bits, ...more), { maxLength: 6 });

const plainString = content("'", '\\').map((parts) => {
  const value = parts.join('');
  return literal(`'${value.replaceAll("'", "''")}'`, value);
});
const escapeString = fc
  .tuple(fc.constantFrom('e', 'E'), content("'", "''", '\\'), content("'", '\\'), fc.boolean())
  .map(([prefix, first, second, isContinued]) => {
    const escaped = (parts: string[]) =>
      parts.map((part) => (part === "'" || part === '\\' ? `\\${part}` : part)).join('');
    const source = `${prefix}'${escaped(first)}'`;
    // Doubled, a quote needs no backslash.
    const start = first.map((part) => (part === "''" ? "'" : part)).join('');
    if (!isContinued) return literal(source, start);
    return literal(`${source} -- '?\n  '${escaped(second)}'`, start + second.join(''));
  });
const prefixedString = fc.constantFrom(
  literal(`(B'101')::text`, '101'),
  literal(`(X'1F')::text`, '00011111'),
  literal(`N'?'`, '?'),
  literal(`(u&'\\0061?''')::text`, `a?'`),
);
const dollarString = fc
  .tuple(fc.constantFrom('$$', '$tag$', '$_é9$'), content("'", '\\', '$a$'))
  .filter(([mark, parts]) => !`${parts.join('')}${mark}`.slice(0, -1).includes(mark))
  .filter(([mark, parts]) => (parts.join('') + mark).indexOf(mark) === parts.join('').length)
  .map(([mark, parts]) => literal(`${mark}${parts.join('')}${mark}`, parts.join('')));
const identifier = fc
  .tuple(fc.constantFrom('', 'U&'), content())
  .map(([prefix, parts]) => literal(`'x' AS ${prefix}"n${parts.join('').replaceAll('"', '""')}""?"`, 'x'));
const dollarIdentifier = fc.constantFrom(
  literal(`'y' AS a$1`, 'y'),
  literal(`'y' AS a$b$`, 'y'),
  literal(`'y' AS e$$`, 'y'),
);
const placeholder = fc
  .constantFrom('v', '?', "'")
  .map((value): Piece => ({ source: '?::text', expected: '#::text', value, parameter: value }));
const operator: fc.Arbitrary<Piece> = fc.constantFrom('a', 'b').map((key) => ({
  source: `('{"a":1}'::jsonb ?? ?)::text`,
  expected: `('{"a":1}'::jsonb ? #)::text`,
  value: String(key === 'a'),
  parameter: key,
}));
const piece = fc.oneof(
  plainString,
  escapeString,
  prefixedString,
  dollarString,
  identifier,
  dollarIdentifier,
  placeholder,
  operator,
);
const gap = fc.constantFrom(
  ' ',
  '\n',
  ` -- it's ? $$ "\n`,
  ` -- ?\r`,
  `/* ? ' $$ */`,
  `/* /* ? */ ' **/`,
  `/*/ ? /*/ " */ */`,
  `/***/`,
);
const select = fc.array(fc.tuple(gap, piece, gap), { minLength: 1, maxLength: 8 });

describe('the placeholder scanner', () => {
  test('fault 12: ? inside literals, identifiers, dollar quotes and comments is no placeholder', async () => {
    await fc.assert(
      fc.asyncProperty(select, async (items) => {
        let n = 0;
        const expected = items.map(([before, { expected }, after]) => {
          const text = expected.includes('#') ? expected.replace('#', `$${++n}`) : expected;
          return before + text + after;
        });
        const source = `SELECT ${items.map(([before, { source }, after]) => before + source + after).join(',')}`;
        const parameters = items.flatMap(([, { parameter }]) => (parameter === undefined ? [] : [parameter]));
        const task = sql(source, ...parameters).build();
        expect(task.text).toBe(`SELECT ${expected.join(',')}`);
        expect(task.values).toEqual(parameters);
        // The server agrees about where each literal ends.
        const result = await client.query({
          text: task.text,
          values: [...task.values],
          rowMode: 'array',
        });
        expect(result.rows[0]).toEqual(items.map(([, { value }]) => value));
      }),
      { numRuns: 1500 },
    );
  });

  test('a condition is cut where a statement gets its parameters', async () => {
    await fc.assert(
      fc.asyncProperty(select, async (items) => {
        const text = items
          .filter(([, { source }]) => !source.includes(' AS '))
          .map(([before, { source }, after]) => `${before}${source}${after} IS NOT NULL`)
          .join(' AND ');
        fc.pre(text !== '');
        const values = items.flatMap(([, { parameter }]) => (parameter === undefined ? [] : [parameter]));
        const { where } = counter('t', 'c')
          .clean()
          .where(text, ...values)
          .build();
        const joined = where.parts.reduce((sum, part, i) => `${sum}$${i}${part}`);
        expect(joined).toBe(sql(text, ...values).build().text);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['LIMIT?', 'LIMIT $1'],
    ['SELECT ?AND 1', 'SELECT $1 AND 1'],
    ['SELECT ?1', 'SELECT $1 1'],
    ['SELECT a$?', 'SELECT a$ $1'],
    ['SELECT -?', 'SELECT -$1'],
    ['SELECT a ??? ', 'SELECT a ?$1 '],
    ["SELECT name'?', ?", "SELECT name'?', $1"],
  ])('a placeholder does not grow together with its neighbours: %s', (text, expected) => {
    expect(sql(text, 1).build().text).toBe(expected);
  });

  test.each([
    ["SELECT 'a", /string literal that starts at character 8 is not terminated/],
    ["SELECT E'a\\'", /string literal/],
    ['SELECT "a""', /quoted identifier/],
    ['SELECT $$ a $', /dollar-quoted string \$\$/],
    ['SELECT $a$ $b$', /dollar-quoted string \$a\$/],
    ['SELECT 1 /* /* */', /comment/],
    ['', /empty/],
    [' ; -- nothing', /empty/],
    ['SELECT ?, $1', /either \? or \$1/],
    ['SELECT $2', /uses \$2 but not \$1/],
    ['SELECT \0', /U\+0000 \(character 8\)/],
    ["SELECT '\ud800'", /lone surrogate \(character 9\)/],
    [7, /not number/],
  ])('the text %j is refused', (text, message) => {
    expect(() => sql(text as string, 1)).toThrow(
      expect.objectContaining({ code: 'INVALID_TASK', message: expect.stringMatching(message) }),
    );
  });

  test('the number of values must be the number of placeholders', () => {
    expect(() => sql('SELECT ?', 1, 2)).toThrow(/1 placeholder, but 2 values were given/);
    expect(() => sql("SELECT ?, '?'", ...[])).toThrow(/1 placeholder, but 0 values/);
    expect(() => sql('SELECT 1', 1)).toThrow(/0 placeholders, but 1 value was/);
    expect(() => counter('t', 'c').inc().where('a = ? AND b = ?', 1)).toThrow(/the condition has 2/);
    expect(sql('SELECT $1, $2, $1', 1, 2).build().values).toEqual([1, 2]);
  });

  test('more than 1,000 texts, and very long ones, are scanned as well', () => {
    for (let i = 0; i < 2500; i++) expect(sql(`SELECT ?, ${i}`, 1).build().text).toBe(`SELECT $1, ${i}`);
    const long = `SELECT ?, '${'?'.repeat(20_000)}'`;
    for (let i = 0; i < 2; i++) expect(sql(long, 1).build().text).toBe(long.replace('?', '$1'));
  });

  test('an adversarial text is scanned in linear time', () => {
    const started = process.hrtime.bigint();
    for (const unit of ['$a', '/*', "E'", '((((', '\n--', '"" ', '? ']) {
      try {
        sql(unit.repeat(60_000 / unit.length));
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_TASK' });
      }
    }
    expect(Number(process.hrtime.bigint() - started) / 1e6).toBeLessThan(2000);
  });
});
