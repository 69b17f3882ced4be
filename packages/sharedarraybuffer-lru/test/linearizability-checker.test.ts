import { expect, test } from 'vitest';
import { isLinearizable, type Operation } from './linearizability.js';

/** `a set 1 0-3`: thread a sets 1, from stamp 0 to stamp 3. */
function history(...lines: string[]): Operation[] {
  return lines.map((line) => {
    const [thread, kind, value, stamps] = line.split(' ') as [string, Operation['kind'], string, string];
    const [invoked, returned] = stamps.split('-').map(Number) as [number, number];
    return {
      thread: thread.charCodeAt(0),
      kind,
      invoked,
      returned,
      value: Number(value),
      present: value === '1',
    };
  });
}

test.for([
  ['a value overwritten before the read', 'a set 1 0-1', 'a set 2 2-3', 'b get 1 4-5'],
  ['a value that nobody wrote', 'a set 1 0-1', 'b get 7 2-3'],
  ['a value before it was written', 'b get 1 0-1', 'a set 1 2-3'],
  [
    'the older value after the newer one, in one thread',
    'a set 1 0-1',
    'a set 2 2-9',
    'b get 2 3-4',
    'b get 1 5-6',
  ],
  ['the older value after the newer one, in two', 'a set 1 0-1', 'a set 2 2-9', 'b get 2 3-4', 'c get 1 5-6'],
  [
    'two threads that see two sets in two orders',
    'a set 1 0-9',
    'b set 2 1-8',
    'c get 1 2-3',
    'c get 2 4-5',
    'd get 2 2-3',
    'd get 1 6-7',
  ],
  ['a value after its delete', 'a set 1 0-1', 'b delete 1 2-3', 'a get 1 4-5'],
  ['a value after its delete was seen by another delete', 'a set 1 0-1', 'b delete 1 2-9', 'c delete 1 3-4'],
  ['a value after a clear', 'a set 1 0-1', 'b clear 0 2-3', 'a get 1 4-5'],
  ['a value after a set that was refused', 'a set 1 0-1', 'b refused 0 2-3', 'a has 0 4-5'],
  ['a delete that found what was not there', 'b delete 1 0-1'],
  ['a fill after a set', 'a token 0 0-1', 'b set 1 2-3', 'a fill 2 4-5'],
  ['a fill after a delete', 'a token 0 0-1', 'b delete 0 2-3', 'a fill 2 4-5'],
  ['a fill after a clear', 'a token 0 0-1', 'b clear 0 2-3', 'a fill 2 4-5'],
  [
    'a fill whose token came before the set was seen',
    'b set 1 0-9',
    'c set 5 10-99',
    'a token 0 20-21',
    'a get 1 22-23',
    'a fill 2 100-101',
  ],
  ['a fill without a token', 'a fill 1 0-1'],
])('the checker of histories finds %s', ([, ...lines]) => {
  expect(isLinearizable(history(...lines))).toBe(false);
});

test.for([
  ['a read of either value while it changes', 'a set 1 0-1', 'a set 2 2-9', 'b get 1 3-4', 'b get 2 5-6'],
  [
    'sets at the same time, in the order in which they were seen',
    'a set 1 0-9',
    'b set 2 1-8',
    'c get 2 2-3',
    'c get 1 4-5',
  ],
  ['a read while the value is deleted', 'a set 1 0-1', 'b delete 1 2-5', 'a get 1 3-4'],
  ['a fill with the token of after the set', 'a set 1 0-1', 'a token 0 2-3', 'a fill 2 4-5', 'b get 2 6-7'],
  [
    'fills with tokens of the same age',
    'a token 0 0-1',
    'b token 0 0-1',
    'a fill 1 2-3',
    'b fill 2 4-5',
    'c get 2 6-7',
  ],
  [
    'a fill that comes before a set at the same time',
    'a token 0 0-1',
    'b set 1 2-9',
    'a fill 2 3-4',
    'c get 2 5-6',
    'c get 1 7-8',
  ],
  ['nothing at all'],
])('the checker of histories accepts %s', ([, ...lines]) => {
  expect(isLinearizable(history(...lines))).toBe(true);
});

test('the checker of histories takes a long history with many calls at the same time, and finds the one that is wrong', () => {
  const calls: Operation[] = [];
  for (let i = 0; i < 100; i += 1) {
    for (let thread = 0; thread < 4; thread += 1) {
      const kind = thread === 0 ? 'set' : 'get';
      calls.push({ thread, kind, value: i + 1, invoked: i * 10 + thread, returned: i * 10 + 9 });
    }
  }
  expect(isLinearizable(calls)).toBe(true);
  (calls[203] as Operation).value = 7;
  expect(isLinearizable(calls)).toBe(false);
});
