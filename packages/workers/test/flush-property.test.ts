import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Aggregator } from '../dist/aggregate/aggregator.js';
import type { Generation } from '../dist/aggregate/generation.js';
import { Columns } from '../dist/flush/columns.js';
import { Flusher } from '../dist/flush/flusher.js';
import type { Session } from '../dist/flush/session.js';
import { type OperationInput, openDatabase, ShapeSource } from './fold-fixture.js';

/*
 * Random sequences, applied one by one by plain SQL to the tables of the schema `one`, and through
 * Aggregator and Flusher to those of `fold`. Both must end equal, to the byte.
 */

const RUNS = Number(process.env.ZMSG_PROPERTY_RUNS ?? 300);

const TABLES = `
  CREATE DOMAIN SCHEMA.tenths AS numeric(10,1);
  CREATE TABLE SCHEMA.rows (
    id int PRIMARY KEY, name text UNIQUE, grp int, nkey numeric, uid uuid, flag boolean DEFAULT true,
    c_small smallint, c_int int, c_big bigint DEFAULT 7, c_num numeric, c_fix numeric(14,2), c_neg numeric(12,-2),
    c_dom SCHEMA.tenths, c_f4 float4, c_f8 float8,
    tags jsonb, tags2 jsonb, extra jsonb, extra2 jsonb);
  CREATE TABLE SCHEMA.children (id int PRIMARY KEY REFERENCES SCHEMA.rows, c_int int, extra jsonb);
  CREATE TABLE SCHEMA.loose (id int, c_int int, c_num numeric, note text DEFAULT 'none');
  CREATE TABLE SCHEMA.log (id int PRIMARY KEY, entries text NOT NULL DEFAULT '');`;

let client: pg.Client;
let nextBase = 0;

beforeAll(async () => {
  const ddl = ['one', 'fold'].map((name) => `CREATE SCHEMA ${name};${TABLES.replaceAll('SCHEMA', name)}`);
  ({ client } = await openDatabase(ddl.join('\n')));
});
afterAll(() => client.end());

// -- what is generated ------------------------------------------------------------------------------

const JSON_TEXTS = [
  '1',
  '1.0',
  '1e0',
  '10e-1',
  '-0',
  '0',
  '2',
  '"a"',
  '"\\u0061"',
  '"b\\"\\\\,{}"',
  'null',
  'true',
  '[]',
  '{}',
  '[1,{"x":1}]',
  '[1.0, {"x": 1e0}]',
  '{"a":1}',
  '{"a":1.0}',
  '{"a":{"b":2}}',
  '{"b":3,"a":{"c":null}}',
  '{"a":{"c":null},"b":3.0}',
  '{"a":1,"a":2}',
  '{"a":2}',
  '12345678901234567890.12345',
  '"ü😀"',
  '{"__proto__":{"q":1}}',
]; // prettier-ignore
const OBJECT_TEXTS = JSON_TEXTS.filter((text) => text.startsWith('{'));
const KEYS = ['a', 'b', 'c', '', "it's", '"q"', '__proto__'];

const wholes = ['1', '-1', '2', '3', '-3', '0', '10', '007'];
const fractions = ['0.5', '-0.5', '1.5', '2.50', '-0.25', '0.10', '1.0', '.3', '4.'];
const COUNTERS: Readonly<Record<string, readonly string[]>> = {
  c_small: [...wholes, ...fractions],
  c_int: [...wholes, ...fractions],
  c_big: [...wholes, ...fractions, '9007199254740993'],
  c_num: [...wholes, ...fractions, '0.001', '-1.000', '123456789012345678901234567890', '0.00'],
  c_fix: [...wholes, ...fractions, '0.005', '-0.015', '0.33'],
  c_neg: [...wholes, ...fractions, '100', '-200', '50', '149'],
  c_dom: [...wholes, ...fractions, '0.05', '0.33'],
  c_f4: [...wholes, ...fractions, '0.1', '16777217', '1.1'],
  c_f8: [...wholes, ...fractions, '0.1', '0.2', '9007199254740993'],
};

const anOperand = (column: string) =>
  fc.constantFrom(...(COUNTERS[column] as string[])).chain((text) => {
    const forms: (string | number | bigint)[] = [text];
    if (/^-?\d+$/.test(text)) forms.push(BigInt(text));
    if (/^-?\d{1,9}$/.test(text)) forms.push(Number(text));
    return fc.constantFrom(...forms);
  });

type Change = Pick<OperationInput, 'kind' | 'column' | 'op' | 'operand' | 'key'>;

const counterChange = (columns: readonly string[]): fc.Arbitrary<Change> =>
  fc
    .record({
      column: fc.constantFrom(...columns),
      op: fc.constantFrom('inc', 'inc', 'inc', 'dec', 'mul', 'set', 'clean' as const),
    })
    .chain(({ column, op }) =>
      (op === 'clean' ? fc.constant(undefined) : anOperand(column)).map((operand) => ({
        kind: 'counter' as const,
        column,
        op: op as Change['op'],
        operand,
      })),
    );

const sliceChange = (columns: readonly string[]): fc.Arbitrary<Change> =>
  fc.record({
    kind: fc.constant('slice' as const),
    column: fc.constantFrom(...columns),
    op: fc.constantFrom<Change['op'][]>('add', 'add', 'add', 'del', 'del', 'clean'),
    operand: fc.constantFrom(...JSON_TEXTS),
  });

const mapChange = (columns: readonly string[]): fc.Arbitrary<Change> =>
  fc
    .record({
      kind: fc.constant('map' as const),
      column: fc.constantFrom(...columns),
      op: fc.constantFrom<Change['op'][]>('set', 'set', 'del', 'merge', 'merge', 'clean'),
      key: fc.constantFrom(...KEYS),
    })
    .chain((change) =>
      fc
        .constantFrom(...(change.op === 'merge' ? OBJECT_TEXTS : JSON_TEXTS))
        .map((operand) => ({ ...change, operand })),
    );

/** Changes of some of the columns only. */
function rowsChange(columns: readonly string[]): fc.Arbitrary<Change> {
  const counters = columns.filter((column) => column.startsWith('c_'));
  const slices = columns.filter((column) => column.startsWith('tags'));
  const maps = columns.filter((column) => column.startsWith('extra'));
  return fc.oneof(
    ...(counters.length > 0 ? [{ weight: counters.length, arbitrary: counterChange(counters) }] : []),
    ...(slices.length > 0 ? [{ weight: slices.length, arbitrary: sliceChange(slices) }] : []),
    ...(maps.length > 0 ? [{ weight: maps.length, arbitrary: mapChange(maps) }] : []),
  );
}
const looseChange = counterChange(['c_int', 'c_num']);
const childrenChange = fc.oneof(counterChange(['c_int']), mapChange(['extra']));

/** Conditions for row `i` of a sequence, whose ids start at `base`. `FOLD.` is the schema. */
const WHERES: readonly {
  where: string;
  values: (id: number, base: number) => unknown[];
  isOwnRow: boolean;
}[] = [
  { where: 'id = ?', values: (id) => [id], isOwnRow: true },
  { where: 'id = ?', values: (id) => [String(id)], isOwnRow: true },
  { where: '"rows".id=?', values: (id) => [` +${id}`], isOwnRow: true },
  { where: 'name = ?', values: (id) => [`N${id}`], isOwnRow: true },
  { where: '"id" = ? and rows.name = ?', values: (id) => [id, `N${id}`], isOwnRow: true },
  { where: 'name = ? AND id = ?', values: (id) => [`N${id}`, BigInt(id)], isOwnRow: true },
  { where: 'id = ? OR id = ?', values: (id) => [id, id], isOwnRow: true },
  { where: 'lower(name) = ?', values: (id) => [`n${id}`], isOwnRow: true },
  { where: 'nkey = ?', values: (id) => [id], isOwnRow: true },
  { where: 'nkey = ?', values: (id) => [`${id}.0`], isOwnRow: true },
  { where: 'uid = ?', values: (id) => [uuidOf(id).toUpperCase()], isOwnRow: true },
  { where: 'uid = ?', values: (id) => [uuidOf(id)], isOwnRow: true },
  { where: 'id = ? AND flag = true', values: (id) => [id], isOwnRow: true },
  { where: 'id = ? AND c_int > ?', values: (id) => [id, 1], isOwnRow: true },
  { where: 'id = ? AND c_big = ?', values: (id) => [id, 7], isOwnRow: true },
  { where: 'id = ? -- the row', values: (id) => [id], isOwnRow: true },
  { where: 'grp = ?', values: (_, base) => [base], isOwnRow: false },
  { where: 'grp = ? AND tags IS NULL', values: (_, base) => [base], isOwnRow: false },
  {
    where: 'id = ? AND EXISTS (SELECT FROM fold.rows r WHERE r.id = ? AND r.c_int > 0)',
    values: (id, base) => [id, base],
    isOwnRow: false,
  },
];
const OWN_ROW_WHERES = WHERES.filter(({ isOwnRow }) => isOwnRow);

function uuidOf(id: number): string {
  return `00000000-0000-4000-abcd-${String(id).padStart(12, '0')}`;
}

/** What `orInsert` gives: nothing, the row itself, more than its key, or a row that does not fit. */
const INSERTS = [
  (id: number) => ({ id, name: `N${id}` }),
  (id: number, base: number) => ({ id, name: `N${id}`, grp: base, flag: null }),
  (id: number, base: number) => ({
    grp: base,
    uid: uuidOf(id),
    name: `N${id}`,
    id: String(id),
    c_int: 40,
    tags: '[0]',
  }),
  (id: number) => ({ id }),
  (id: number) => ({ name: `N${id + 1}`, id: id + 1 }),
];

type Mode = 'one batch key' | 'batch key per row' | 'default batch keys';

type Item =
  | { type: 'rows'; change: Change; row: number; where: number; insert: number; isInsert: boolean }
  | { type: 'loose'; change: Change; row: number; isInsert: boolean }
  | { type: 'children'; change: Change; row: number }
  | { type: 'content'; text: number; row: number; value: number }
  | { type: 'log'; producer: number; value: number }
  | { type: 'put'; key: number; value: string }
  | { type: 'read'; row: number; where: number; column: string; key: string | undefined }
  | { type: 'flush'; fault: 'none' | 'before COMMIT' | 'answer lost' };

const COLUMNS = [...Object.keys(COUNTERS), 'tags', 'tags2', 'extra', 'extra2'];

/** What a sequence keeps to: the fewer columns, rows and conditions, the more its operations meet. */
interface Focus {
  columns: string[];
  rows: number;
  wheres: number[];
  /** Tasks with `orInsert`, of 4. */
  insertShare: number;
  inserts: number[];
  /** Weight of everything but operations on rows. */
  others: number;
}

const aFocus: fc.Arbitrary<Focus> = fc.record({
  columns: fc.oneof(
    fc.uniqueArray(fc.constantFrom(...COLUMNS), { minLength: 1, maxLength: 3 }),
    fc.constant(COLUMNS),
  ),
  rows: fc.integer({ min: 1, max: 4 }),
  wheres: fc.oneof(
    fc.constant<number[]>([0, 1]),
    fc.nat(WHERES.length - 1).map((where) => [where]),
    fc.uniqueArray(fc.nat(WHERES.length - 1), { minLength: 1, maxLength: 4 }),
  ),
  insertShare: fc.constantFrom(0, 0, 2, 4),
  inserts: fc.oneof(fc.constant<number[]>([0]), fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 3 })),
  others: fc.nat(1),
});

function anItem({ columns, rows, wheres, insertShare, inserts, others }: Focus): fc.Arbitrary<Item> {
  const row = fc.nat(rows - 1);
  const where = fc.constantFrom(...wheres);
  return fc.oneof(
    {
      weight: 24,
      arbitrary: fc.record({
        type: fc.constant('rows' as const),
        change: rowsChange(columns),
        row,
        where,
        insert: fc.constantFrom(...inserts),
        isInsert: fc.nat(3).map((n) => n < insertShare),
      }),
    },
    {
      weight: 2 * others,
      arbitrary: fc.record({
        type: fc.constant('loose' as const),
        change: looseChange,
        row,
        isInsert: fc.boolean(),
      }),
    },
    {
      weight: others,
      arbitrary: fc.record({ type: fc.constant('children' as const), change: childrenChange, row }),
    },
    {
      weight: others,
      arbitrary: fc.record({ type: fc.constant('content' as const), text: fc.nat(2), row, value: fc.nat(9) }),
    },
    {
      weight: others,
      arbitrary: fc.record({ type: fc.constant('log' as const), producer: fc.nat(1), value: fc.nat(9) }),
    },
    {
      weight: others,
      arbitrary: fc.record({
        type: fc.constant('put' as const),
        key: fc.nat(2),
        value: fc.constantFrom('', 'x', 'y\\"{'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('read' as const),
        row,
        where,
        column: fc.constantFrom(...columns),
        key: fc.option(fc.constantFrom(...KEYS), { nil: undefined }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('flush' as const),
        fault: fc.constantFrom(
          'none' as const,
          'none' as const,
          'before COMMIT' as const,
          'answer lost' as const,
        ),
      }),
    },
  );
}

const aSequence = aFocus.chain((focus) =>
  fc.array(anItem(focus), { minLength: 1, maxLength: 60, size: 'max' }),
);

const aMode = fc.constantFrom<Mode[]>('one batch key', 'batch key per row', 'default batch keys');

/** Stored rows at the start; a missing one is `undefined`. */
const aStart = fc.array(fc.constantFrom('null', 'values', 'missing', 'nan' as const), {
  minLength: 4,
  maxLength: 4,
});

// -- plain SQL ---------------------------------------------------------------------------------------

interface PlainStatement {
  text: string;
  values: unknown[];
  /** Counts as unmatched when it changes nothing. */
  isCounted: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  id: 'int',
  name: 'text',
  grp: 'int',
  uid: 'uuid',
  flag: 'boolean',
  c_int: 'int',
  tags: 'jsonb',
};

function inOne(text: string): string {
  return text.replaceAll('fold.', 'one.');
}

function numbered(where: string, first: number): string {
  let n = first;
  return inOne(where).replaceAll('?', () => `$${n++}`);
}

function plainStatements(input: OperationInput): PlainStatement[] {
  const { kind, table, column, where, whereValues, insert, op, operand, key } = input;
  const statements: PlainStatement[] = [];
  const target = inOne(table);
  if (insert !== undefined) {
    const names = Object.keys(insert);
    const given = names.map((name, i) => `$${i + 1}::${TYPES[name]}`);
    if (!names.includes(column)) {
      names.push(column);
      given.push(kind === 'counter' ? '0' : kind === 'slice' ? `'[]'` : `'{}'`);
    }
    const condition = numbered(where, Object.keys(insert).length + 1);
    statements.push({
      text:
        `INSERT INTO ${target} (${names.join(', ')}) SELECT ${given.join(', ')} ` +
        `WHERE NOT EXISTS (SELECT 1 FROM ${target} WHERE ${condition}\n) ON CONFLICT DO NOTHING`,
      values: [...Object.values(insert), ...whereValues],
      isCounted: false,
    });
  }
  let value: string;
  let values: unknown[] = [operand];
  if (op === 'clean') {
    value = kind === 'counter' ? '0' : kind === 'slice' ? `'[]'` : `'{}'`;
    values = [];
  } else if (op === 'set' && kind === 'counter') value = '$1::numeric';
  else if (op === 'inc') value = `COALESCE(${column}, 0) + $1::numeric`;
  else if (op === 'dec') value = `COALESCE(${column}, 0) - $1::numeric`;
  else if (op === 'mul') value = `COALESCE(${column}, 0) * $1::numeric`;
  else if (op === 'add') value = `COALESCE(${column}, '[]') || jsonb_build_array($1::jsonb)`;
  else if (op === 'merge') value = `zmsg_map_merge(${column}, $1::jsonb)`;
  else if (op === 'set') {
    value = `COALESCE(${column}, '{}') || jsonb_build_object($2::text, $1::jsonb)`;
    values = [operand, key];
  } else if (kind === 'map') {
    value = `COALESCE(${column}, '{}') - $1::text`;
    values = [key];
  } else {
    value =
      `(SELECT COALESCE(jsonb_agg(e ORDER BY i), '[]') ` +
      `FROM jsonb_array_elements(COALESCE(${column}, '[]')) WITH ORDINALITY x(e, i) WHERE e <> $1::jsonb)`;
  }
  statements.push({
    text: `UPDATE ${target} SET ${column} = ${value} WHERE ${numbered(where, values.length + 1)}`,
    values: [...values, ...whereValues],
    isCounted: true,
  });
  return statements;
}

const CONTENT = [
  'UPDATE fold.rows SET c_int = COALESCE(c_int, 0) + $1 WHERE id = $2',
  `UPDATE fold.rows SET tags = COALESCE(tags, '[]') || to_jsonb($1::int) WHERE id = $2`,
  'DELETE FROM fold.rows WHERE id = $2 AND $1::int > 7 AND id NOT IN (SELECT id FROM fold.children)',
];

// -- one sequence, both ways -------------------------------------------------------------------------

class Race {
  readonly #base: number;
  readonly #mode: Mode;
  readonly #shapes = new ShapeSource();
  readonly #columns = new Columns();
  readonly #aggregator = new Aggregator(this.#columns);
  readonly #flusher: Flusher;
  #fault: 'none' | 'before COMMIT' | 'answer lost' = 'none';
  #retained: { generation: Generation; position: bigint } | undefined;
  #position = 0n;
  /** What plain SQL has not run yet, by batch: only a taken generation settles which content is replaced. */
  readonly #plain = new Map<string, { name: string | undefined; statements: PlainStatement[] }[]>();
  #plainError: Error | undefined;
  unmatchedPlain = 0;
  unmatchedFolded = 0;
  statements = 0;

  constructor(base: number, mode: Mode) {
    this.#base = base;
    this.#mode = mode;
    this.#flusher = new Flusher({
      connect: async () => this.#session(),
      disconnect: () => {},
      mark: { logId: randomUUID(), shard: 0, epoch: 1n },
      columns: this.#columns,
    });
  }

  #session(): Session {
    return {
      query: async (text, values) => {
        if (this.#fault === 'before COMMIT' && text === 'COMMIT') {
          await client.query('ROLLBACK');
          this.#fault = 'none';
          throw Object.assign(new Error('refused'), { severity: 'ERROR', code: '40001' });
        }
        const result = await client.query(text, values);
        if (this.#fault === 'answer lost' && text === 'COMMIT') {
          this.#fault = 'none';
          throw new Error('the connection was lost');
        }
        return result;
      },
    };
  }

  async start(starts: readonly string[]): Promise<void> {
    await this.#flusher.start(this.#session());
    const base = this.#base;
    for (const schema of ['one', 'fold']) {
      for (const [i, start] of starts.entries()) {
        const id = base + i;
        await client.query(`INSERT INTO ${schema}.log (id) VALUES ($1)`, [id]);
        if (start === 'missing') continue;
        await client.query(
          `INSERT INTO ${schema}.rows (id, name, grp, nkey, uid) VALUES ($1::int, $2, $3, $1::int, $4)`,
          [id, `N${id}`, base, uuidOf(id)],
        );
        if (start === 'null') continue;
        await client.query(
          `UPDATE ${schema}.rows SET c_small = 3, c_int = 5, c_big = 9007199254740993, c_num = 1.50, c_fix = 2.35,
             c_neg = 1200, c_dom = 0.7, c_f4 = 0.1, c_f8 = 0.1, tags = '[1, "a", {"a": 1}, 1.0, [1, {"x": 1.0}], null]',
             tags2 = '[]', extra = '{"a": 1, "b": {"c": [1]}, "c": null}', extra2 = '{"a": {"b": {"c": 1.10}}}' WHERE id = $1`,
          [id],
        );
        if (start === 'nan') {
          await client.query(
            `UPDATE ${schema}.rows SET c_num = 'NaN', c_fix = 'NaN', c_f4 = '-0', c_f8 = '-Infinity' WHERE id = $1`,
            [id],
          );
        }
      }
    }
  }

  async run(item: Item): Promise<void> {
    switch (item.type) {
      case 'rows':
      case 'loose':
      case 'children':
        return this.#aggregate(item);
      case 'content': {
        const batchKey = this.#batchKey(item.row);
        if (batchKey === undefined) return;
        const text = CONTENT[item.text] as string;
        const values = [item.value, this.#base + item.row];
        this.#aggregator.add({ kind: 'content', text, values, batchKey, producer: 0 });
        const statement = { text: inOne(text), values, isCounted: false };
        this.#later(batchKey, [statement], text);
        return;
      }
      case 'log': {
        const { producer, value } = item;
        const text = 'UPDATE fold.log SET entries = entries || $1 WHERE id = $2';
        const values = [String(value), this.#base + producer];
        this.#aggregator.add({ kind: 'content', text, values, batchKey: undefined, producer });
        this.#later(`producer ${producer}`, [{ text: inOne(text), values, isCounted: false }], undefined);
        return;
      }
      case 'put': {
        const key = `${this.#base}:${item.key}`;
        this.#aggregator.add({ kind: 'put', key, data: Buffer.from(item.value) });
        const text = `INSERT INTO one.log (id, entries) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET entries = excluded.entries`;
        this.#later(
          'puts',
          [{ text, values: [-this.#base - item.key - 1, item.value], isCounted: false }],
          undefined,
        );
        return;
      }
      case 'read':
        return this.#read(item);
      case 'flush':
        this.#fault = item.fault;
        await this.flush().catch(() => {});
        this.#fault = 'none';
    }
  }

  #batchKey(row: number): string | undefined {
    if (this.#mode === 'one batch key') return 'all';
    return this.#mode === 'batch key per row' ? `row ${row}` : undefined;
  }

  #batch(row: number): string {
    return this.#batchKey(row) ?? `default ${row}`;
  }

  #inputOf(item: Extract<Item, { type: 'rows' | 'loose' | 'children' }>): OperationInput | undefined {
    const { change, row } = item;
    const base = this.#base;
    const id = base + row;
    const batchKey = this.#batchKey(row);
    if (item.type !== 'rows') {
      // Orders between tables are promised under one batch key only.
      if (this.#mode !== 'one batch key') return undefined;
      const insert = item.type === 'loose' && item.isInsert ? { id } : undefined;
      return { ...change, table: `fold.${item.type}`, where: 'id = ?', whereValues: [id], insert, batchKey };
    }
    const choice = this.#where(item.where, WHERES);
    // Some conditions cannot be told apart from others without one batch key for all of them.
    const inserts = this.#mode === 'one batch key' ? INSERTS : [...INSERTS.slice(0, 4), INSERTS[0]];
    const insert = item.isInsert ? inserts[item.insert] : undefined;
    return {
      ...change,
      table: 'fold.rows',
      where: choice.where,
      whereValues: choice.values(id, base),
      insert: insert?.(id, base),
      batchKey,
    };
  }

  /** With a batch key per row only its own conditions, without batch keys only one text keeps the order. */
  #where(n: number, all: typeof WHERES): (typeof WHERES)[number] {
    const own = this.#mode === 'one batch key' ? all : OWN_ROW_WHERES;
    const choices = this.#mode === 'default batch keys' ? WHERES.slice(0, 2) : own;
    return choices[n % choices.length] as (typeof WHERES)[number];
  }

  async #aggregate(item: Extract<Item, { type: 'rows' | 'loose' | 'children' }>): Promise<void> {
    const input = this.#inputOf(item);
    if (input === undefined) return;
    const operation = this.#shapes.operation(input);
    if (!this.#columns.isKnown(operation.shape))
      await this.#columns.describe([operation.shape], this.#session());
    this.#aggregator.add(operation);
    this.#later(this.#batch(item.row), plainStatements(input), undefined);
  }

  #later(batch: string, statements: PlainStatement[], name: string | undefined): void {
    let pending = this.#plain.get(batch);
    if (pending === undefined) {
      pending = [];
      this.#plain.set(batch, pending);
    }
    // The newest statement with a batch key replaces the one before.
    if (name !== undefined && pending.at(-1)?.name === name) pending.pop();
    pending.push({ name, statements });
  }

  /** Runs what plain SQL has not run yet; throws what it threw before. */
  async runPlain(): Promise<void> {
    if (this.#plainError !== undefined) throw this.#plainError;
    await this.#plainUpTo(this.#plain.keys());
  }

  async #plainUpTo(batches: Iterable<string>): Promise<void> {
    for (const batch of [...batches]) {
      const pending = this.#plain.get(batch) ?? [];
      this.#plain.delete(batch);
      for (const { text, values, isCounted } of pending.flatMap(({ statements }) => statements)) {
        const result = await client.query(text, values).catch((error: Error) => {
          this.#plainError = error;
          throw error;
        });
        if (isCounted && result.rowCount === 0) this.unmatchedPlain += 1;
      }
    }
  }

  async #read({ row, where, column, key }: Extract<Item, { type: 'read' }>): Promise<void> {
    const id = this.#base + row;
    const choice = this.#where(where, OWN_ROW_WHERES);
    const kind = column.startsWith('c_') ? 'counter' : column.startsWith('tags') ? 'slice' : 'map';
    const whereValues = choice.values(id, this.#base);
    const input = {
      kind,
      table: 'fold.rows',
      column,
      where: choice.where,
      whereValues,
      batchKey: this.#batchKey(row),
    } as const;
    const request = this.#shapes.read(input, kind === 'map' ? key : undefined);
    if (!this.#columns.isKnown(request.shape)) await this.#columns.describe([request.shape], this.#session());
    let read = await this.#flusher.read(request, this.#generations(), this.#session());
    if (read.flushFirst) {
      await this.flush();
      if (!this.#columns.isKnown(request.shape))
        await this.#columns.describe([request.shape], this.#session());
      read = await this.#flusher.read(request, this.#generations(), this.#session());
    }
    await this.#plainUpTo([this.#batch(row)]);
    const { rows } = await client.query(
      `SELECT ${column}::text AS v, ${kind === 'map' ? `(${column} -> $${whereValues.length + 1}::text)::text` : 'NULL'} AS k ` +
        `FROM one.rows WHERE ${numbered(choice.where, 1)}`,
      kind === 'map' ? [...whereValues, key ?? ''] : [...whereValues],
    );
    const expected =
      rows[0] === undefined ? undefined : { value: expectedValue(column, request.op, rows[0]) };
    expect(read).toEqual({ flushFirst: false, found: expected });
  }

  #generations(): Generation[] {
    return [...(this.#retained === undefined ? [] : [this.#retained.generation]), this.#aggregator.pending];
  }

  async flush(): Promise<void> {
    if (this.#retained !== undefined) await this.#write(this.#retained);
    await this.#plainUpTo(this.#plain.keys());
    const generation = this.#aggregator.take();
    this.#position += BigInt(generation.operations);
    this.#retained = { generation, position: this.#position };
    await this.#write(this.#retained);
  }

  async #write({ generation, position }: { generation: Generation; position: bigint }): Promise<void> {
    const result = await this.#flusher.flush(generation, position);
    this.#retained = undefined;
    this.statements += result.statements;
    for (const { table, operations } of result.unmatched)
      if (table !== '') this.unmatchedFolded += operations;
  }

  async rows(schema: 'one' | 'fold'): Promise<unknown> {
    const [from, to] = [this.#base, this.#base + 9];
    const tables: Record<string, unknown> = {};
    for (const table of ['rows', 'children', 'loose', 'log']) {
      const { rows } = await client.query(
        `SELECT t::text AS row FROM ${schema}.${table} t WHERE id BETWEEN $1 AND $2 ORDER BY id, t::text`,
        [from, to],
      );
      tables[table] = rows.map(({ row }) => row);
    }
    const puts =
      schema === 'one'
        ? await client.query(
            'SELECT -id - 1 - $1::int AS n, entries AS data FROM one.log WHERE id BETWEEN $2 AND $3',
            [from, -to, -from - 1],
          )
        : await client.query(
            `SELECT split_part(id, ':', 2)::int AS n, convert_from(data, 'UTF8') AS data FROM zmsg_data WHERE id LIKE $1`,
            [`${from}:%`],
          );
    tables.puts = puts.rows.sort((a, b) => a.n - b.n);
    return tables;
  }
}

function expectedValue(column: string, op: 'get' | 'getKey', row: Record<string, unknown>): unknown {
  const v = row.v as string | null;
  const k = row.k as string | null;
  if (op === 'getKey') return k === null ? undefined : JSON.parse(k);
  if (v === null) return null;
  if (['c_small', 'c_int', 'c_big'].includes(column)) {
    return Number.isSafeInteger(Number(v)) ? Number(v) : BigInt(v);
  }
  if (column === 'c_f4' || column === 'c_f8') return Number(v);
  return column.startsWith('c_') ? v : JSON.parse(v);
}

function isOverflow(error: unknown): boolean {
  return /out of range|overflow/.test(String(error));
}

test(`${RUNS} random sequences end as if they had been run one by one`, { timeout: 1_800_000 }, async () => {
  let skipped = 0;
  await fc.assert(
    fc.asyncProperty(aMode, aStart, aSequence, async (mode, starts, items) => {
      nextBase += 10;
      const race = new Race(nextBase, mode);
      await race.start(starts);
      try {
        for (const item of items) await race.run(item);
        await race.flush();
      } catch (error) {
        if (!isOverflow(error)) throw error;
        // A sequence that PostgreSQL refuses halfway has no single outcome. Folded it may be refused
        // less often, never more often.
        await expect(race.runPlain()).rejects.toSatisfy(isOverflow);
        skipped += 1;
        return;
      }
      expect(await race.rows('fold')).toEqual(await race.rows('one'));
      expect(race.unmatchedFolded).toBe(race.unmatchedPlain);
    }),
    {
      numRuns: RUNS,
      ...(process.env.ZMSG_SEED === undefined ? {} : { seed: Number(process.env.ZMSG_SEED) }),
    },
  );
  expect(skipped).toBeLessThan(RUNS / 10);
});
