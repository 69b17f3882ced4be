import { describe, expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { CALL_WORDS, KINDS } from './history.mjs';
import { isLinearizable, type Operation } from './linearizability.js';
import { newSeed, resultOf, seeded, startThread } from './threads.js';

const OPERATIONS = Number(process.env.SHARED_LRU_OPERATIONS ?? 1_000_000);
/** Each gives a history for each key. */
const ROUNDS = Math.max(1000, Math.min(Math.ceil(OPERATIONS / 1000), 100_000));
const TIMEOUT_MS = 60_000 + ROUNDS * 30;

/** Rounds that are recorded, then checked, at a time: they take memory. */
const ROUNDS_AT_A_TIME = 1000;

const SIZES = [
  { threads: 2, keys: 1, calls: 30, maxBytes: 16 << 10, maxLength: 100 },
  { threads: 3, keys: 2, calls: 40, maxBytes: 16 << 10, maxLength: 1200 },
  { threads: 4, keys: 3, calls: 60, maxBytes: 32 << 10, maxLength: 4000 },
];

type Size = (typeof SIZES)[number];

test.for(SIZES)('every history of a key is linearizable: %o', { timeout: TIMEOUT_MS }, async (size) => {
  for (let left = ROUNDS; left > 0; left -= ROUNDS_AT_A_TIME) await checkHistories(size, 0);
});

test.for(SIZES)(
  'every history of a key is linearizable, although locks are taken from the living: %o',
  { timeout: TIMEOUT_MS },
  async (size) => {
    for (let left = ROUNDS / 2; left > 0; left -= ROUNDS_AT_A_TIME) await checkHistories(size, 1);
  },
);

async function checkHistories(size: Size, steals: number): Promise<void> {
  const seed = newSeed();
  await seeded(seed, async () => {
    let overlaps = 0;
    const { cache, histories } = await recordHistories(size, seed, steals);
    expect(checkStructure(cache.handle)).toEqual([]);
    for (const history of histories) {
      if (!isLinearizable(history)) expect.fail(`not linearizable:\n${print(history)}`);
      if (hasOverlap(history)) overlaps += 1;
    }
    // Else nothing was tested; most histories have several.
    expect(overlaps).toBeGreaterThan(histories.length / 4);
  });
}

async function recordHistories(size: Size, seed: number, steals: number) {
  const { threads, keys, calls } = size;
  const rounds = ROUNDS_AT_A_TIME;
  const cache = SharedLRU.create({ maxBytes: size.maxBytes });
  const shared = new Int32Array(new SharedArrayBuffer(64));
  const threadIds = new Int32Array(new SharedArrayBuffer(4 * threads));
  const workers = Array.from({ length: threads }, (_, me) => {
    const log = new Int32Array(new SharedArrayBuffer(rounds * calls * CALL_WORDS * 4));
    const options = { ...size, me, seed, rounds, shared, threadIds, steals, log };
    const worker = startThread('record', cache.handle, options);
    Atomics.store(threadIds, me, worker.threadId);
    return { log, counts: resultOf(worker) as Promise<number[]> };
  });
  const histories: Operation[][] = [];
  for (const [thread, { log, counts }] of workers.entries()) {
    let at = 0;
    for (const [round, count] of (await counts).entries()) {
      for (let i = 0; i < count; i += 1, at += CALL_WORDS) {
        const [kind, key, invoked, returned, value, present] = log.subarray(
          at,
          at + CALL_WORDS,
        ) as unknown as [number, number, number, number, number, number];
        const call = {
          thread,
          kind: KINDS[kind] as Operation['kind'],
          invoked,
          returned,
          value,
          present: present === 1,
        };
        for (const each of key < 0 ? Array.from({ length: keys }, (_, k) => k) : [key]) {
          const number = round * keys + each;
          histories[number] ??= [];
          histories[number]?.push(call);
        }
      }
    }
  }
  return { cache, histories: histories.filter((history) => history !== undefined) };
}

/** Calls of two threads, one of which was invoked before the other had returned. */
function hasOverlap(history: readonly Operation[]): boolean {
  const sorted = [...history].sort((a, b) => a.invoked - b.invoked);
  return sorted.some((call, i) => i > 0 && call.invoked < (sorted[i - 1] as Operation).returned);
}

function print(history: readonly Operation[]): string {
  return [...history]
    .sort((a, b) => a.invoked - b.invoked)
    .map((call) => JSON.stringify(call))
    .join('\n');
}

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

describe('the checker of histories', () => {
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
    [
      'the older value after the newer one, in two',
      'a set 1 0-1',
      'a set 2 2-9',
      'b get 2 3-4',
      'c get 1 5-6',
    ],
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
    [
      'a value after its delete was seen by another delete',
      'a set 1 0-1',
      'b delete 1 2-9',
      'c delete 1 3-4',
    ],
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
  ])('finds %s', ([, ...lines]) => {
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
  ])('accepts %s', ([, ...lines]) => {
    expect(isLinearizable(history(...lines))).toBe(true);
  });

  test('takes a long history with many calls at the same time, and finds the one that is wrong', () => {
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
});
