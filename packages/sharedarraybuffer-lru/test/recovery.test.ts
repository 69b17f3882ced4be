import { describe, expect, test } from 'vitest';
import { CacheMemory } from '../dist/cache-memory.js';
import { checkStructure } from '../dist/check.js';
import { FAILPOINTS, type Failpoint, onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { KeyProbe } from '../dist/key-probe.js';
import { SEGMENT } from '../dist/layout.js';
import { type Call, callsOn, fullCache, KEY, readAll, stopInside, USUAL_BYTES, works } from './full-cache.js';
import { openGate, resultOf, startThread, stoppedAt } from './threads.js';
import { describe as bytesOf, read } from './traffic.mjs';

/** Which of the failpoints the call comes to, on a cache like that of the test. */
function pointsOf(name: string): Failpoint[] {
  const cache = fullCache();
  const call = callsOn(cache)[name] as Call;
  const points = new Set<Failpoint>();
  onFailpoint((point) => points.add(point));
  (cache[call.name] as (...args: unknown[]) => unknown)(...call.args);
  onFailpoint(undefined);
  return FAILPOINTS.filter((point) => points.has(point));
}

const STEPS = Object.keys(callsOn(SharedLRU.create({ maxBytes: 32 << 10 }))).flatMap((name) =>
  pointsOf(name).map((point) => ({ name, point })),
);

test('the writes of these tests come to every step', () => {
  const reached = new Set(STEPS.map(({ point }) => point));
  // A lock that was taken from another thread has tests of its own.
  expect(FAILPOINTS.filter((point) => !reached.has(point))).toEqual(['seized']);
});

test.concurrent.for(STEPS)(
  'a thread ends inside $name, $point: recover frees and empties what it held, and all space comes back',
  async ({ name, point }) => {
    const isHeld = point !== 'unlocked';
    const cache = fullCache();
    const call = callsOn(cache)[name] as Call;
    const { worker, threadId } = await stopInside(cache, call, point);
    const hits = readAll(cache);
    if (call.name !== 'clear' && point !== 'vacated') expect(hits).toBeGreaterThan(0);
    await worker.terminate();
    expect(cache.recover(threadId + 1000)).toBe(0);
    expect(cache.recover(threadId)).toBe(isHeld ? 1 : 0);
    expect(cache.recover(threadId)).toBe(0);
    expect(checkStructure(cache.handle)).toEqual([]);
    if (isHeld) {
      expect(cache.stats()).toMatchObject({ repairs: 1, entries: 0, usedBytes: 0 });
      expect(readAll(cache)).toBe(0);
      expect(cache.get(KEY)).toBeUndefined();
    }
    expect(works(cache)).toBeGreaterThan(USUAL_BYTES * 0.9);
  },
);

// The others go through the same steps.
const TAKEN_OVER = STEPS.filter(({ name }) =>
  ['a set that overwrites', 'a delete', 'a clear'].includes(name),
);

test.concurrent.for(TAKEN_OVER)(
  'a thread ends inside $name, $point: without recover the next writer takes the lock over',
  async ({ name, point }) => {
    const isHeld = point !== 'unlocked';
    const cache = fullCache();
    const { worker } = await stopInside(cache, callsOn(cache)[name] as Call, point);
    await worker.terminate();
    const next = startThread('call', cache.handle, { name: 'set', args: ['next', Buffer.from('value')] });
    // Reads go on all the time.
    readAll(cache);
    expect(await resultOf(next)).toBe(true);
    expect(cache.get('next')?.toString()).toBe('value');
    expect(cache.stats().repairs).toBe(isHeld ? 1 : 0);
    if (isHeld) expect(cache.stats().entries).toBe(1);
    readAll(cache);
    expect(works(cache)).toBeGreaterThan(USUAL_BYTES * 0.9);
  },
);

describe.for(['seized', 'reset', 'emptied', 'unlocked'] as const)(
  'a thread ends inside the takeover from one that has ended, %s',
  (point) => {
    test('and the next one takes over from it', async () => {
      const cache = fullCache();
      const first = await stopInside(cache, callsOn(cache)['a set of a new key'] as Call, 'placed');
      await first.worker.terminate();
      const args = [first.threadId];
      const second = await stopInside(cache, { name: 'recover' as 'set', args }, point);
      expect(readAll(cache)).toBe(point === 'seized' ? readAll(cache) : 0);
      await second.worker.terminate();
      expect(cache.recover(first.threadId)).toBe(0);
      expect(cache.recover(second.threadId)).toBe(point === 'unlocked' ? 0 : 1);
      expect(cache.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
      expect(works(cache)).toBeGreaterThan(USUAL_BYTES * 0.9);
    });
  },
);

test('a writer that sleeps goes on although the one that freed the lock ends before it can wake it', async () => {
  const cache = fullCache();
  const lock = CacheMemory.attach(cache.handle.buffer).segments[0]?.words as Int32Array;
  const first = await stopInside(cache, callsOn(cache)['a delete'] as Call, 'locked', 'unlocked');
  const next = startThread('call', cache.handle, { name: 'set', args: ['next', Buffer.from('value')] });
  const done = resultOf(next);
  // The lowest bit says that somebody sleeps, or is about to.
  while ((Atomics.load(lock, SEGMENT.lock) & 1) === 0) await new Promise(setImmediate);
  openGate(first.gates[0] as Int32Array);
  await stoppedAt(first.gates[1] as Int32Array);
  await first.worker.terminate();
  expect(await done).toBe(true);
  expect(cache.get('next')?.toString()).toBe('value');
  expect(cache.stats().repairs).toBe(0);
  works(cache);
});

test('while a segment is held by a thread that has ended, writers of others do not wait', async () => {
  const cache = SharedLRU.create({ maxBytes: 2 << 20 });
  const memory = CacheMemory.attach(cache.handle.buffer);
  const probe = new KeyProbe(memory.seed1, memory.seed2);
  const segmentOf = (key: string): number => {
    probe.load(key);
    return probe.h1 & (memory.segments.length - 1);
  };
  const { worker, threadId } = await stopInside(
    cache,
    { name: 'set', args: [KEY, bytesOf(1000, 1, 1, 300)] },
    'copied',
  );
  await worker.terminate();
  let others = 0;
  for (let i = 0; i < 2000; i += 1) {
    if (segmentOf(`key-${i}`) === segmentOf(KEY)) continue;
    others += 1;
    expect(cache.set(`key-${i}`, bytesOf(i, 0, 0, i % 100))).toBe(true);
    expect(read(i, cache.get(`key-${i}`) as Buffer).sequence).toBe(0);
  }
  expect(others).toBeGreaterThan(500);
  // Whoever had waited would have taken the lock over.
  expect(cache.stats().repairs).toBe(0);
  expect(cache.recover(threadId)).toBe(1);
  // The other segments have lost nothing.
  expect(cache.stats().entries).toBe(others);
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
