import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { CALL_WORDS, KINDS } from './history.mjs';
import { isLinearizable, type Operation } from './linearizability.js';
import { newSeed, resultOf, seeded, startThread } from './threads.js';

const OPERATIONS = Number(process.env.SHARED_LRU_OPERATIONS ?? 1_000_000);
/** Each gives a history for each key. */
const ROUNDS = Math.max(1000, Math.min(Math.ceil(OPERATIONS / 1000), 30_000));
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
