import { expect, test } from 'vitest';
import type { Copy } from '../dist/audit/audit-message.js';
import { type Difference, FollowUp } from '../dist/audit/follow-up.js';
import { judge, type KeyLook, L2_PLACE } from '../dist/audit/judge.js';

const RULES = { isExact: false, isEvicting: false };
const DAY = 86_400_000;

const copy = (digest: string, expiresAtMs = DAY): Copy => ({ digest, expiresAtMs });

interface Given {
  a?: Copy;
  b?: Copy;
  l2?: [kind: 'cached' | 'stored' | 'loaded', digest: string];
  /** Undefined: not known; null: there is no row. */
  row?: string | null;
  isOwnTable?: boolean;
}

function lookOf({ a, b, l2, row, isOwnTable = false }: Given): KeyLook {
  const copies = new Map<string, Copy>();
  if (a !== undefined) copies.set('a', a);
  if (b !== undefined) copies.set('b', b);
  return {
    copies,
    shared: l2 && { ...copy(l2[1]), kind: l2[0] },
    truth: row === undefined ? undefined : { digest: row ?? undefined, isOwnTable },
  };
}

function judged(given: Given, rules = RULES) {
  const { reference, compared, differing, isUnlike } = judge(lookOf(given), rules);
  return [reference, compared, [...differing.keys()].join(), ...(isUnlike ? ['unlike'] : [])];
}

test('copies are held against the row where it is known that they are its loader’s', () => {
  const [x, y] = [copy('x'), copy('y')];
  expect(judged({ a: x, b: y, l2: ['stored', 'y'], row: 'y' })).toEqual(['database', 3, 'a']);
  expect(judged({ a: x, row: 'y', isOwnTable: true })).toEqual(['database', 1, 'a']);
  expect(judged({ a: x, l2: ['loaded', 'x'], row: 'y' })).toEqual(['database', 2, `a,${L2_PLACE}`]);
  expect(judged({ a: x, l2: ['loaded', 'x'], row: null })).toEqual(['database', 2, `a,${L2_PLACE}`]);
  expect(judged({ a: x, l2: ['stored', 'x'], row: 'y' }, { ...RULES, isExact: true })).toEqual([
    'database',
    2,
    `a,${L2_PLACE}`,
  ]);
});

test('else they are held against L2, or each other, and alike is not stale', () => {
  const [x, y] = [copy('x'), copy('y')];
  expect(judged({ a: x, b: x, l2: ['stored', 'x'], row: 'y' })).toEqual(['L2', 2, '', 'unlike']);
  expect(judged({ a: x, b: copy('z'), l2: ['stored', 'x'], row: 'y' })).toEqual(['L2', 2, 'b']);
  expect(judged({ a: x, b: y, l2: ['cached', 'y'], row: 'x' })).toEqual(['L2', 2, 'a']);
  expect(judged({ a: x, b: y, l2: ['stored', 'y'] })).toEqual(['L2', 2, 'a']);
  expect(judged({ a: x, b: x })).toEqual(['copies', 2, '']);
  expect(judged({ a: x, b: y })).toEqual(['copies', 2, 'b']);
  expect(judged({ a: x, row: 'y' })).toEqual([undefined, 0, '', 'unlike']);
  expect(judged({ l2: ['cached', 'x'], row: 'y' })).toEqual([undefined, 0, '']);
  expect(judged({ row: 'y' })).toEqual([undefined, 0, '']);
});

test('a copy of which neither L2 nor the database knows is stale, unless L2 drops keys by itself', () => {
  const evicting = { ...RULES, isEvicting: true };
  expect(judged({ a: copy('x'), row: null })).toEqual(['nothing', 1, 'a']);
  expect(judged({ a: copy('x'), row: null }, evicting)).toEqual([undefined, 0, '']);
  expect(judged({ a: copy('x'), l2: ['stored', 'x'], row: null })).toEqual(['L2', 1, '']);
});

function following(options: { maxKeys?: number } = {}) {
  const differences: Difference[] = [];
  const unlike: string[] = [];
  const follow = new FollowUp({
    settleMs: 100,
    followMs: 10_000,
    maxKeys: 10,
    onDifference: (difference) => differences.push(difference),
    onUnlike: (key) => unlike.push(key),
    ...options,
  });
  const see = (
    atMs: number,
    given: Given,
    { key = 'k', answered = ['a', 'b'], invalidatedMs = NaN } = {},
  ) => {
    const look = lookOf(given);
    follow.see({
      key,
      look,
      verdict: judge(look, RULES),
      answered: new Set(answered),
      startMs: atMs - 10,
      endMs: atMs + 10,
      invalidatedMs: Number.isNaN(invalidatedMs) ? undefined : invalidatedMs,
    });
  };
  return { follow, see, differences, unlike };
}

const FRESH = copy('new');
const STALE = copy('old');

test('a difference that the second look does not find was in flight', () => {
  const { follow, see, differences } = following();
  see(1_000, { a: STALE, b: FRESH, row: 'new' });
  expect([follow.due(1_109, 9), follow.due(1_110, 9), follow.nextDueMs]).toEqual([[], ['k'], 1_110]);
  see(1_150, { a: FRESH, b: FRESH, row: 'new' });
  expect(follow).toMatchObject({ size: 0, inFlight: 1, ahead: 0 });
  expect(differences).toEqual([]);
});

test('one that stays is told with the time between the looks that saw it, when it is gone', () => {
  const { follow, see, differences } = following();
  see(1_000, { a: STALE, b: FRESH, row: 'new' }, { invalidatedMs: 700 });
  see(1_200, { a: STALE, b: FRESH, row: 'newer' }, { invalidatedMs: 700 });
  see(3_000, { a: STALE, b: FRESH, row: 'new' }, { invalidatedMs: 700 });
  expect(differences).toEqual([]);
  see(4_000, { b: FRESH, row: 'new' });
  const told = { key: 'k', place: 'a', against: 'database', sinceInvalidationMs: 2_290 } as const;
  // Seen after 1,010 for the first time and before 2,990 for the last.
  expect(differences).toEqual([{ ...told, ageMs: 1_980, isGone: true }]);
  // When the row was `newer`, nobody had it yet, and one of the two others had to be wrong.
  expect(follow).toMatchObject({ size: 0, inFlight: 1 });
});

test('one that does not end is told when its time is over, or with the end of the audit', () => {
  const { follow, see, differences } = following();
  for (let atMs = 0; follow.size > 0 || atMs === 0; atMs += 1_000)
    see(atMs, { a: STALE, b: FRESH, row: 'new' });
  expect(differences).toMatchObject([{ ageMs: 9_980, isGone: false }]);
  see(20_000, { a: STALE, b: FRESH, row: 'new' });
  see(21_000, { a: STALE, b: FRESH, row: 'new' });
  see(20_000, { a: STALE, b: FRESH, row: 'new' }, { key: 'seen once' });
  follow.endAll();
  expect(differences).toMatchObject([{}, { key: 'k', ageMs: 980, isGone: false }]);
  expect(follow.inFlight).toBe(1);
});

test('a key that goes back and forth between two values is not taken for one that stays', () => {
  const { follow, see, differences } = following();
  for (let n = 0; n < 50; n++) see(n * 100, { a: copy('old', DAY + n * 100), b: FRESH, row: 'new' });
  follow.endAll();
  expect(differences).toEqual([]);
  expect(follow.inFlight).toBe(50);
});

test('a copy that the database comes to agree with was ahead, not stale', () => {
  const { follow, see, differences } = following();
  for (const atMs of [0, 1_000, 2_000]) see(atMs, { a: FRESH, row: 'old', isOwnTable: true });
  see(3_000, { a: FRESH, row: 'new', isOwnTable: true });
  expect(follow).toMatchObject({ size: 0, ahead: 1, inFlight: 0 });
  expect(differences).toEqual([]);
});

test('what a look does not know changes nothing', () => {
  const { follow, see, differences } = following();
  see(0, { a: STALE, b: FRESH, row: 'new' });
  see(1_000, { a: STALE, b: FRESH }); // no row is known
  see(2_000, { b: FRESH, row: 'new' }, { answered: ['b'] }); // a did not answer
  see(3_000, { a: STALE, b: FRESH, row: 'new' });
  see(4_000, { a: FRESH, b: FRESH, row: 'new' });
  expect(differences).toMatchObject([{ place: 'a', ageMs: 2_980, isGone: true }]);
  expect(follow.size).toBe(0);
});

test('unlike counts from the second look on, and keys that are followed are bounded', () => {
  const { follow, see, unlike } = following({ maxKeys: 2 });
  const given: Given = { a: copy('x'), l2: ['stored', 'x'], row: 'y' };
  see(0, given);
  expect(unlike).toEqual([]);
  see(200, given);
  expect([unlike, follow.size]).toEqual([['k'], 0]);
  for (const key of ['1', '2', '3']) see(0, { a: STALE, b: FRESH, row: 'new' }, { key });
  expect(follow).toMatchObject({ size: 2, unfollowed: 1 });
});
