import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CounterFold } from '../dist/fold/counter.js';
import {
  addDecimals,
  type Decimal,
  fitsScale,
  formatDecimal,
  multiplyDecimals,
  parseDecimal,
} from '../dist/fold/decimal.js';
import { canonicalJson, formatJson, parseJson } from '../dist/fold/json.js';
import { MapFold } from '../dist/fold/map.js';
import { SliceFold } from '../dist/fold/slice.js';

const aDecimal = fc
  .record({ mantissa: fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), scale: fc.nat(12) })
  .map((decimal): Decimal => decimal);

describe('decimals', () => {
  test('keep their scale from text to text', () => {
    fc.assert(
      fc.property(aDecimal, (decimal) => {
        expect(parseDecimal(formatDecimal(decimal))).toEqual(decimal);
      }),
    );
    expect(formatDecimal(parseDecimal('-.50'))).toBe('-0.50');
    expect(formatDecimal(parseDecimal('+7.'))).toBe('7');
    expect(formatDecimal(parseDecimal('-0.00'))).toBe('0.00');
  });

  test('add and multiply as a ring does, scales as numeric has them', () => {
    fc.assert(
      fc.property(aDecimal, aDecimal, aDecimal, (a, b, c) => {
        expect(addDecimals(a, addDecimals(b, c))).toEqual(addDecimals(addDecimals(a, b), c));
        expect(multiplyDecimals(a, multiplyDecimals(b, c))).toEqual(
          multiplyDecimals(multiplyDecimals(a, b), c),
        );
        expect(multiplyDecimals(addDecimals(a, b), c)).toEqual(
          addDecimals(multiplyDecimals(a, c), multiplyDecimals(b, c)),
        );
        expect(addDecimals(a, b).scale).toBe(Math.max(a.scale, b.scale));
      }),
    );
  });

  test.each(['', '.', '-', '1e3', 'NaN', 'Infinity', '0x10', '1_000', ' 1', '1 ', '1.2.3'])(
    'refuse %j as an operand',
    (text) => {
      expect(() => parseDecimal(text)).toThrow(expect.objectContaining({ code: 'INVALID_TASK' }));
    },
  );

  test.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuse the number %d', (number) => {
    expect(() => parseDecimal(number)).toThrow(expect.objectContaining({ code: 'INVALID_TASK' }));
  });

  test('fit a scale when their value does', () => {
    expect(fitsScale(parseDecimal('1.500'), 1)).toBe(true);
    expect(fitsScale(parseDecimal('1.55'), 1)).toBe(false);
    expect(fitsScale(parseDecimal('1200'), -2)).toBe(true);
    expect(fitsScale(parseDecimal('1250.0'), -2)).toBe(false);
    expect(fitsScale(parseDecimal('0.00'), -2)).toBe(true);
  });
});

/** x after the steps, in exact arithmetic without rounding. */
function run(fold: CounterFold, x: Decimal): Decimal {
  let value = x;
  for (const { op, operands } of fold.steps) {
    const [a, b] = operands as [Decimal, Decimal];
    if (op === '=') value = a;
    else if (op === '+') value = addDecimals(value, a);
    else if (op === '*') value = multiplyDecimals(value, a);
    else if (op === 'a') value = addDecimals(multiplyDecimals(value, a), b);
  }
  return value;
}

const aCounterOp = fc.oneof(
  fc.record({ op: fc.constantFrom('inc', 'dec', 'mul', 'set'), operand: aDecimal.map(formatDecimal) }),
  fc.record({ op: fc.constantFrom('inc', 'dec', 'set'), operand: fc.maxSafeInteger() }),
  fc.constant({ op: 'clean' as const, operand: undefined }),
) as fc.Arbitrary<{ op: 'inc' | 'dec' | 'mul' | 'set' | 'clean'; operand: string | number | undefined }>;

describe('counters', () => {
  test('folded they give what the operations give one by one, scale included', () => {
    fc.assert(
      fc.property(fc.array(aCounterOp, { minLength: 1, maxLength: 12 }), aDecimal, (ops, start) => {
        const all = new CounterFold(Number.POSITIVE_INFINITY);
        let value = start;
        for (const op of ops) {
          expect(all.add(op)).toBe(true);
          const one = new CounterFold(Number.POSITIVE_INFINITY);
          one.add(op);
          value = run(one, value);
        }
        expect(all.steps).toHaveLength(1);
        expect(run(all, start)).toEqual(value);
      }),
    );
  });

  test('fault 3: inc after mul, inc after set, two mul and a first dec all count', () => {
    const result = (...ops: [op: 'inc' | 'dec' | 'mul' | 'set', operand: number][]) => {
      const fold = new CounterFold(0);
      for (const [op, operand] of ops) fold.add({ op, operand });
      return formatDecimal(run(fold, parseDecimal(10)));
    };
    expect(result(['mul', 3], ['inc', 5])).toBe('35');
    expect(result(['set', 3], ['inc', 5])).toBe('8');
    expect(result(['mul', 3], ['mul', 2])).toBe('60');
    expect(result(['dec', 4])).toBe('6');
    expect(result(['dec', 4], ['mul', -2], ['dec', 1], ['set', 0], ['dec', 7])).toBe('-7');
  });

  test('fault 4: sums past 2^53 lose nothing', () => {
    const fold = new CounterFold(0);
    fold.add({ op: 'inc', operand: Number.MAX_SAFE_INTEGER });
    for (let i = 0; i < 5; i++) fold.add({ op: 'inc', operand: 1 });
    fold.add({ op: 'inc', operand: 10n ** 18n });
    expect(formatDecimal(run(fold, parseDecimal(0)))).toBe('1009007199254740996');
  });

  test('an integer column keeps what would round as steps of their own', () => {
    const fold = new CounterFold(0);
    for (const operand of [1, 2, 3]) fold.add({ op: 'inc', operand });
    fold.add({ op: 'mul', operand: '0.5' });
    fold.add({ op: 'inc', operand: 4 });
    fold.add({ op: 'mul', operand: 2 });
    const steps = fold.steps.map(({ op, operands }) => [op, ...operands.map(formatDecimal)]);
    expect(steps).toEqual([
      ['a', '0.5', '3.0'],
      ['a', '2', '8'],
    ]);
  });

  test('a float column composes nothing, and its group is full at one hundred steps', () => {
    const fold = new CounterFold(undefined);
    for (let i = 0; i < 100; i++) expect(fold.add({ op: 'inc', operand: 1 })).toBe(true);
    expect(fold.add({ op: 'inc', operand: 1 })).toBe(false);
    expect(fold.add({ op: 'set', operand: 1 })).toBe(true);
    expect(fold.steps).toHaveLength(1);
  });

  test('factors are not multiplied out without bound', () => {
    const fold = new CounterFold(Number.POSITIVE_INFINITY);
    const operand = '1.0000000001';
    let taken = 0;
    while (taken < 20_000 && fold.add({ op: 'mul', operand })) taken += 1;
    expect(fold.steps.length).toBeLessThanOrEqual(100);
    for (const { operands } of fold.steps)
      expect(formatDecimal(operands[0] as Decimal).length).toBeLessThan(1100);
  });

  test('a bad operand leaves the fold as it was', () => {
    const fold = new CounterFold(0);
    fold.add({ op: 'inc', operand: 2 });
    expect(() => fold.add({ op: 'inc', operand: 0.5 })).toThrow();
    expect(() => fold.add({ op: 'inc', operand: 2 ** 53 + 2 })).toThrow();
    expect(() => fold.add({ op: 'mul', operand: 'x' })).toThrow();
    expect(formatDecimal(run(fold, parseDecimal(0)))).toBe('2');
  });
});

/** A JSON text written in another way, the same as JSONB. */
function rewritten(value: unknown): string {
  if (typeof value === 'number') return /^-?\d+$/.test(String(value)) ? ` ${value}.0e0` : ` ${value}`;
  if (typeof value === 'string') {
    if (!/^[a-z]+$/i.test(value)) return JSON.stringify(value);
    return `"${[...value].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('')}"`;
  }
  if (Array.isArray(value)) return `[ ${value.map(rewritten).join(' , ')} ]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).reverse();
  const twice = members.length > 0 ? [[members[0]?.[0], 'replaced by the last'], ...members] : members;
  return `{${twice.map(([key, member]) => `${JSON.stringify(key)}:${rewritten(member)}`).join(',')}}`;
}

const aJson = fc.jsonValue({ maxDepth: 4 });

describe('JSON', () => {
  test('is canonical: the same value written in another way has the same text', () => {
    fc.assert(
      fc.property(aJson, (value) => {
        const plain = value as unknown;
        expect(canonicalJson(rewritten(plain))).toBe(canonicalJson(JSON.stringify(plain)));
      }),
    );
    for (const one of ['1', '1.0', '1e0', '10e-1', '0.1e+1', '100E-2'])
      expect(canonicalJson(one)).toBe('1e0');
    for (const zero of ['0', '-0', '0.00', '0e9']) expect(canonicalJson(zero)).toBe('0');
    expect(canonicalJson('12345678901234567890')).not.toBe(canonicalJson('12345678901234567891'));
    expect(canonicalJson('"1"')).not.toBe(canonicalJson('1'));
    expect(canonicalJson('{"a":1,"a":2}')).toBe(canonicalJson('{"a":2}'));
  });

  test('is written as it was read, numbers to the digit', () => {
    fc.assert(
      fc.property(aJson, (value) => {
        expect(JSON.parse(formatJson(parseJson(JSON.stringify(value, null, 1))))).toEqual(
          JSON.parse(JSON.stringify(value)),
        );
      }),
    );
    expect(formatJson(parseJson('[1.10, 12345678901234567890.123]'))).toBe('[1.10,12345678901234567890.123]');
    const long = JSON.stringify('x"\\'.repeat(300_000));
    expect(formatJson(parseJson(long))).toBe(long);
  });

  test.each(['', '{', '[1,]', '{"a"}', '{"a":1,}', '"', '"a\\"', '1 2', 'nul', "{'a':1}", '[1}', '+1'])(
    'refuses %j',
    (text) => {
      expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: 'INVALID_TASK' }));
    },
  );

  test('refuses what is nested beyond reason instead of exhausting the stack', () => {
    expect(() => parseJson('['.repeat(1e5))).toThrow(expect.objectContaining({ code: 'INVALID_TASK' }));
  });
});

describe('slices', () => {
  test('a deletion takes every equal element out of the additions before it, and none after', () => {
    const fold = new SliceFold();
    for (const operand of ['1', '{"a":[1.0]}', '2']) fold.add({ op: 'add', operand });
    fold.add({ op: 'del', operand: '{"a":[1]}' });
    fold.add({ op: 'del', operand: '1e0' });
    fold.add({ op: 'add', operand: '1' });
    expect([fold.isCleaned, fold.deletions, fold.additions]).toEqual([false, '[{"a":[1]},1e0]', '[2,1]']);
    fold.add({ op: 'clean', operand: undefined });
    fold.add({ op: 'add', operand: '3' });
    expect([fold.isCleaned, fold.hasDeletions, fold.additions]).toEqual([true, false, '[3]']);
  });
});

type Tree = string | { [key: string]: Tree };

/** Merge as SPEC says it, on plain objects. */
function merged(base: Tree | undefined, patch: Tree): Tree {
  if (typeof patch === 'string') return patch;
  const result: { [key: string]: Tree } = Object.create(null);
  if (typeof base === 'object') for (const key of Object.keys(base)) result[key] = base[key] as Tree;
  for (const key of Object.keys(patch)) result[key] = merged(result[key], patch[key] as Tree);
  return result;
}

describe('maps', () => {
  const aKey = fc.constantFrom('a', 'b', '__proto__');
  const { tree: aTree, object: anObject } = fc.letrec<{ tree: Tree; object: { [key: string]: Tree } }>(
    (tie) => ({
      object: fc.dictionary(aKey, tie('tree'), { maxKeys: 3, noNullPrototype: false }),
      tree: fc.oneof({ depthSize: 'small' }, fc.constantFrom('x', 'y'), tie('object')),
    }),
  );
  const anOp = fc.oneof(
    fc.record({ op: fc.constant('set' as const), key: aKey, tree: aTree }),
    fc.record({ op: fc.constant('del' as const), key: aKey, tree: aTree }),
    fc.record({ op: fc.constant('merge' as const), key: aKey, tree: anObject }),
  );

  test('fold to the same value as one by one, deep merges between sets and deletions', () => {
    fc.assert(
      fc.property(fc.array(anOp, { maxLength: 10 }), (ops) => {
        const fold = new MapFold();
        fold.add({ op: 'clean', operand: undefined, key: undefined });
        let value: Tree = Object.create(null);
        for (const { op, key, tree } of ops) {
          fold.add({ op, key, operand: op === 'del' ? undefined : JSON.stringify(tree) });
          if (op === 'merge') value = merged(value, tree);
          else if (typeof value === 'object') {
            value = merged(value, Object.create(null));
            if (typeof value !== 'object') continue;
            if (op === 'set') value[key] = tree;
            else delete value[key];
          }
        }
        const { change } = fold;
        expect(change.form).toBe('value');
        if (change.form !== 'value') return;
        expect(canonicalJson(change.value)).toBe(canonicalJson(JSON.stringify(value)));
      }),
    );
  });

  test('a merge after a deletion starts from nothing', () => {
    const fold = new MapFold();
    fold.add({ op: 'del', key: 'a', operand: undefined });
    fold.add({ op: 'merge', key: undefined, operand: '{"a":{"b":1}}' });
    expect(fold.change).toEqual({ form: 'keys', deletions: undefined, sets: '{"a":{"b":1}}' });
    fold.add({ op: 'merge', key: undefined, operand: '{"c":{"d":1}}' });
    expect(fold.change).toEqual({ form: 'tree', edits: '{"a":{"r":{"b":1}},"c":{"m":{"d":{"r":1}}}}' });
  });

  test('only an object can be merged', () => {
    const add = () => new MapFold().add({ op: 'merge', key: undefined, operand: '[1]' });
    expect(add).toThrow(expect.objectContaining({ code: 'INVALID_TASK' }));
  });
});
