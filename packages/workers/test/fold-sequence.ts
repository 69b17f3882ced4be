import fc from 'fast-check';
import type { OperationInput } from './fold-fixture.js';

/** Random sequences of operations, reads and flushes. */

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
export const WHERES: readonly {
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
export const OWN_ROW_WHERES = WHERES.filter(({ isOwnRow }) => isOwnRow);

export function uuidOf(id: number): string {
  return `00000000-0000-4000-abcd-${String(id).padStart(12, '0')}`;
}

/** What `orInsert` gives: nothing, the row itself, more than its key, or a row that does not fit. */
export const INSERTS = [
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

export type Mode = 'one batch key' | 'batch key per row' | 'default batch keys';

export type Item =
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

export const aSequence = aFocus.chain((focus) =>
  fc.array(anItem(focus), { minLength: 1, maxLength: 60, size: 'max' }),
);

export const aMode = fc.constantFrom<Mode[]>('one batch key', 'batch key per row', 'default batch keys');

/** Stored rows at the start; a missing one is `undefined`. */
export const aStart = fc.array(fc.constantFrom('null', 'values', 'missing', 'nan' as const), {
  minLength: 4,
  maxLength: 4,
});
