import { expect, test } from 'vitest';
import { itemsOf } from '../dist/dead-letter-items.js';
import { Ledger } from '../dist/ledger.js';
import { Oracle } from '../dist/oracle.js';
import { Tally } from '../dist/tally.js';

const ledger = (...lines: string[]): Ledger => {
  const made = new Ledger();
  made.take(lines.map((line) => `${line}\n`).join(''));
  return made;
};
const database = (items: Record<string, number>) => ({
  items: new Tally(Object.entries(items)),
  deadLetters: 0,
});
const check = (lines: string[], items: Record<string, number>, kept: 'acknowledged' | 'applied') => {
  const oracle = new Oracle();
  oracle.add(ledger(...lines), kept);
  return oracle.check(database(items)).map(({ kind, item, amount }) => `${kind} ${item} ${amount}`);
};

test('what was acknowledged is lost when it is not in the database', () => {
  expect(check(['A c1+7 s1.5', 'K 3 c1+7 s1.5'], { c1: 6 }, 'acknowledged')).toEqual([
    'lost c1 1',
    'lost s1.5 1',
  ]);
});

test('what is there more often than it was attempted is doubled', () => {
  expect(check(['A c1+7 i1.5', 'K 3 c1+7 i1.5'], { c1: 9, 'i1.5': 2 }, 'acknowledged')).toEqual([
    'double c1 2',
    'double i1.5 1',
  ]);
});

test('what nobody attempted is foreign', () => {
  expect(check(['A c1'], { 's9.9': 1 }, 'acknowledged')).toEqual(['foreign s9.9 1']);
});

test('what was attempted and not acknowledged may be there or not', () => {
  const lines = ['A c1+7 i1.5', 'K 1 c1+3'];
  expect(check(lines, { c1: 3 }, 'acknowledged')).toEqual([]);
  expect(check(lines, { c1: 5, 'i1.5': 1 }, 'acknowledged')).toEqual([]);
  expect(check(lines, { c1: 7, 'i1.5': 1 }, 'acknowledged')).toEqual([]);
});

test('of a run without a log that can be trusted only what was committed must be there', () => {
  const lines = ['A c1+7', 'K 2 c1+7', 'P c1+4'];
  expect(check(lines, { c1: 4 }, 'applied')).toEqual([]);
  expect(check(lines, { c1: 3 }, 'applied')).toEqual(['lost c1 1']);
});

test('after a check nothing of earlier runs may come or go', () => {
  const oracle = new Oracle();
  oracle.add(ledger('A c1+9', 'K 1 c1+5'), 'acknowledged');
  expect(oracle.check(database({ c1: 6 }))).toEqual([]);
  oracle.add(ledger('A c1+2', 'K 1 c1+2'), 'acknowledged');
  expect(oracle.check(database({ c1: 9 }))).toMatchObject([{ kind: 'double', item: 'c1', amount: 1 }]);
});

test('an id that two processes hand out is seen', () => {
  const oracle = new Oracle();
  expect(oracle.add(ledger('N 11 12'), 'acknowledged')).toEqual([]);
  expect(oracle.add(ledger('N 13 12'), 'acknowledged')).toMatchObject([{ kind: 'double', item: 'id 12' }]);
});

test('a line that was cut off by the death of its writer says nothing', () => {
  const cut = new Ledger();
  cut.take('A c1+4\nK 1 c1+4\nA c1');
  cut.take('+50 s1.3');
  expect([...cut.attempted]).toEqual([['c1', 4]]);
});

test('a dead letter holds back the sum of a counter, or the elements that it names', () => {
  const where = { values: [3] };
  const row = {
    kind: 'counter',
    table_name: 'fault_rows',
    column_name: 'likes',
    task: { where, change: '+ 12' },
  };
  expect([...itemsOf(row)]).toEqual([['c3', 12]]);
  const slice = { where, change: 'add ["s1.44","s1.60"]' };
  const letter = { kind: 'slice', table_name: 'fault_rows', column_name: 'tags', task: slice };
  expect([...itemsOf(letter).keys()]).toEqual(['s1.44', 's1.60']);
});
