import { describe, expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { newGate, openGate, resultOf, startThread, stoppedAt } from './threads.js';

const KEY = 'key';
const SET = { name: 'set', args: [KEY, new Uint8Array(3000).fill(2)] };

/** One segment, full, so that a set must also move and evict. */
function fullCache(): SharedLRU {
  const cache = SharedLRU.create({ maxBytes: 32 << 10 });
  for (let i = 0; i < 300; i += 1) {
    cache.set(`old-${i}`, Buffer.alloc(200, i));
    cache.get(`old-${i}`);
  }
  for (let i = 0; i < 300; i += 1) cache.get(`old-${i}`);
  cache.set(KEY, Buffer.from('old'));
  expect(cache.stats().evictions).toBeGreaterThan(0);
  return cache;
}

function works(cache: SharedLRU): void {
  for (let i = 0; i < 500; i += 1) {
    const value = Buffer.alloc(i % 300, i);
    expect(cache.set(`new-${i}`, value)).toBe(true);
    expect(cache.get(`new-${i}`)?.equals(value)).toBe(true);
  }
  expect(checkStructure(cache.handle)).toEqual([]);
}

const STEPS = [
  ...(['locked', 'raised', 'moved', 'evicted', 'written', 'published'] as const).map((point) => ({
    point,
    call: SET,
  })),
  { point: 'raised' as const, call: { name: 'delete', args: [KEY] } },
  { point: 'published' as const, call: { name: 'delete', args: [KEY] } },
  { point: 'reset' as const, call: { name: 'clear', args: [] } },
];

describe.for(STEPS)('a thread ends inside $call.name, $point', ({ point, call }) => {
  test('recover frees and empties the segment it held', async () => {
    const cache = fullCache();
    const gate = newGate();
    const worker = startThread('stopInside', cache.handle, { point, call, gate });
    await stoppedAt(gate);
    const { threadId } = worker;
    const before = cache.get(KEY)?.toString();
    if (point === 'locked' || point === 'raised') expect(before).toBe('old');
    await worker.terminate();
    expect(cache.recover(threadId + 1000)).toBe(0);
    expect(cache.recover(threadId)).toBe(1);
    expect(cache.recover(threadId)).toBe(0);
    expect(cache.stats()).toMatchObject({ repairs: 1, entries: 0, usedBytes: 0 });
    expect(cache.get(KEY)).toBeUndefined();
    works(cache);
  });

  test('the next writer takes the lock within a bounded time', async () => {
    const cache = fullCache();
    const gate = newGate();
    const worker = startThread('stopInside', cache.handle, { point, call, gate });
    await stoppedAt(gate);
    await worker.terminate();
    const start = performance.now();
    cache.set('next', Buffer.from('value'));
    expect(performance.now() - start).toBeLessThan(5000);
    expect(cache.get('next')?.toString()).toBe('value');
    expect(cache.stats()).toMatchObject({ repairs: 1, entries: 1 });
    works(cache);
  });
});

test.for(['written', 'moved', 'published'] as const)(
  'a set that lost its lock while it was stopped, %s, is done again',
  async (point) => {
    const cache = fullCache();
    const gate = newGate();
    const worker = startThread('stopInside', cache.handle, { point, call: SET, gate });
    await stoppedAt(gate);
    cache.set('next', Buffer.from('value'));
    const outcome = resultOf(worker);
    openGate(gate);
    expect(await outcome).toBe(true);
    expect(cache.get(KEY)?.length).toBe(3000);
    expect(cache.stats().repairs).toBe(2);
    works(cache);
  },
);

test('a fill that lost its lock to a newer set does not bring the older value', async () => {
  const cache = fullCache();
  const gate = newGate();
  const call = { name: 'fill', args: [KEY, Buffer.from('older'), cache.fillToken(KEY)] };
  const worker = startThread('stopInside', cache.handle, { point: 'written', call, gate });
  await stoppedAt(gate);
  cache.set(KEY, Buffer.from('newer'));
  const outcome = resultOf(worker);
  openGate(gate);
  expect(await outcome).toBe(false);
  expect(['newer', undefined]).toContain(cache.get(KEY)?.toString());
  works(cache);
});

test('recover with the thread id of a Worker that has ended, -1, is a RangeError and empties nothing', () => {
  const cache = SharedLRU.create({ maxBytes: 16 << 10 });
  cache.set('key', Buffer.from('value'));
  for (const threadId of [-1, 0.5, Number.NaN, 2 ** 40]) {
    expect(() => cache.recover(threadId)).toThrow(RangeError);
  }
  expect(cache.recover(0)).toBe(0);
  expect(cache.get('key')?.toString()).toBe('value');
});

test('a clock that throws leaves the cache usable', () => {
  let broken = false;
  const cache = SharedLRU.create({
    maxBytes: 16 << 10,
    clock: () => {
      if (broken) throw new Error('no time');
      return 0;
    },
  });
  cache.set('a', Buffer.from('1'), { ttl: 5 });
  broken = true;
  expect(() => cache.set('a', Buffer.from('2'))).toThrow('no time');
  expect(() => cache.get('a')).toThrow('no time');
  broken = false;
  expect(cache.get('a')?.toString()).toBe('1');
  works(cache);
});
