import type { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { CacheMemory } from '../dist/cache-memory.js';
import { checkStructure } from '../dist/check.js';
import { FAILPOINTS, type Failpoint, onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { KeyProbe } from '../dist/key-probe.js';
import { HEADER, SEGMENT } from '../dist/layout.js';
import { newGate, newSeed, openGate, resultOf, seeded, startThread, stoppedAt } from './threads.js';
import { describe as bytesOf, randomFrom, read } from './traffic.mjs';

const OPERATIONS = Number(process.env.SHARED_LRU_OPERATIONS ?? 1_000_000);

const OLD_KEYS = 300;
const KEY = 'key-1000';
const NEW_KEY = 'key-1001';

interface Call {
  name: 'set' | 'fill' | 'delete' | 'clear';
  args: unknown[];
}

/** One segment, full and in use, so that a write must also move and evict; always the same steps. */
function fullCache(): SharedLRU {
  const { handle } = SharedLRU.create({ maxBytes: 32 << 10 });
  new Int32Array(handle.buffer).set([1, 2], HEADER.seed1);
  const cache = SharedLRU.attach(handle);
  for (let i = 0; i < OLD_KEYS; i += 1) {
    cache.set(`key-${i}`, bytesOf(i, 0, 0, 184));
    for (let n = 0; n < 2; n += 1) cache.get(`key-${i - n * 7}`);
    // Dead records among the living.
    if (i % 9 === 0) cache.delete(`key-${i - 20}`);
  }
  for (let i = 0; i < OLD_KEYS; i += 1) cache.get(`key-${i}`);
  cache.set(KEY, bytesOf(1000, 0, 0, 200));
  expect(cache.stats().evictions).toBeGreaterThan(0);
  return cache;
}

function callsOn(cache: SharedLRU): Record<string, Call> {
  return {
    'a set that overwrites': { name: 'set', args: [KEY, bytesOf(1000, 1, 1, 3000)] },
    'a set of a new key': { name: 'set', args: [NEW_KEY, bytesOf(1001, 1, 1, 3000)] },
    'a fill': { name: 'fill', args: [KEY, bytesOf(1000, 1, 1, 50), cache.fillToken(KEY)] },
    'a set too large': { name: 'set', args: [KEY, Buffer.alloc(1 << 20)] },
    'a delete': { name: 'delete', args: [KEY] },
    'a clear': { name: 'clear', args: [] },
  };
}

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

/** Reads every key: whole values of the key or nothing. */
function readAll(cache: SharedLRU): number {
  let hits = 0;
  for (let i = 0; i < OLD_KEYS; i += 1) {
    const value = cache.get(`key-${i}`);
    if (value === undefined) continue;
    hits += 1;
    expect(read(i, value).writer).toBe(0);
  }
  const value = cache.get(KEY);
  if (value !== undefined) read(1000, value);
  return hits;
}

/** Writes for a while; returns the bytes in use then, which are few if space was lost. */
function works(cache: SharedLRU): number {
  for (let i = 0; i < 500; i += 1) {
    const value = bytesOf(i, 7, i, i % 300);
    expect(cache.set(`new-${i}`, value)).toBe(true);
    expect(cache.get(`new-${i}`)?.equals(value)).toBe(true);
  }
  expect(checkStructure(cache.handle)).toEqual([]);
  return cache.stats().usedBytes;
}

const USUAL_BYTES = works(SharedLRU.create({ maxBytes: 32 << 10 }));

const STEPS = Object.keys(callsOn(SharedLRU.create({ maxBytes: 32 << 10 }))).flatMap((name) =>
  pointsOf(name).map((point) => ({ name, point })),
);

test('the writes of these tests come to every step', () => {
  const reached = new Set(STEPS.map(({ point }) => point));
  // A lock that was taken from another thread has tests of its own.
  expect(FAILPOINTS.filter((point) => !reached.has(point))).toEqual(['seized']);
});

/** Stops the call of another thread at that point. */
async function stopInside(cache: SharedLRU, call: Call, ...points: Failpoint[]) {
  const gates = points.map(newGate);
  const worker = startThread('stopInside', cache.handle, { points, call, gates });
  await stoppedAt(gates[0] as Int32Array);
  return { worker, gates, threadId: worker.threadId };
}

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

test.for(['moved', 'copied', 'written'] as const)(
  'a set that lost its lock before its value was seen, %s, is done again',
  async (point) => {
    const cache = fullCache();
    const { worker, gates } = await stopInside(cache, callsOn(cache)['a set that overwrites'] as Call, point);
    cache.set('next', Buffer.from('value'));
    const outcome = resultOf(worker);
    openGate(gates[0] as Int32Array);
    expect(await outcome).toBe(true);
    expect(read(1000, cache.get(KEY) as Buffer).sequence).toBe(1);
    expect(cache.stats().repairs).toBe(2);
    works(cache);
  },
);

test.for(['published', 'raised'] as const)(
  'a set that lost its lock when its value could be seen, %s, does not bring it back after a newer one',
  async (point) => {
    const cache = fullCache();
    const { worker, gates } = await stopInside(cache, callsOn(cache)['a set that overwrites'] as Call, point);
    expect(read(1000, cache.get(KEY) as Buffer).sequence).toBe(1);
    cache.set(KEY, bytesOf(1000, 2, 2, 10));
    expect(read(1000, cache.get(KEY) as Buffer).sequence).toBe(2);
    const outcome = resultOf(worker);
    openGate(gates[0] as Int32Array);
    expect(await outcome).toBe(true);
    expect(cache.get(KEY)).toBeUndefined();
    works(cache);
  },
);

test('a fill that lost its lock to a newer set does not bring the older value', async () => {
  const cache = fullCache();
  const { worker, gates } = await stopInside(cache, callsOn(cache)['a fill'] as Call, 'written');
  cache.set(KEY, bytesOf(1000, 2, 2, 10));
  const outcome = resultOf(worker);
  openGate(gates[0] as Int32Array);
  expect(await outcome).toBe(false);
  const left = cache.get(KEY);
  if (left !== undefined) expect(read(1000, left).sequence).toBe(2);
  works(cache);
});

/** Victims of each kind; the caches in between are read and written by all who live. */
const VICTIMS = Math.min(500, Math.max(20, OPERATIONS / 50_000));

test.for([{ recover: true }, { recover: false }])(
  'threads end at any moment, and the others go on: %o',
  { timeout: 120_000 + VICTIMS * 1000 },
  async ({ recover }) => {
    const seed = newSeed();
    await seeded(seed, async () => {
      const random = randomFrom(seed);
      const size = { maxBytes: 20 << 10, keys: 20, maxLength: 2500, writes: 95 };
      const cache = SharedLRU.create({ maxBytes: size.maxBytes });
      const control = new Int32Array(new SharedArrayBuffer(8));
      const faults: unknown[] = [];
      let started = 0;
      const start = (): Worker => {
        const options = { ...size, seed, me: started, operations: 2 ** 31, control };
        started += 1;
        return startThread('contend', cache.handle, options).on('error', (error) => faults.push(error));
      };
      const threads = Array.from({ length: 3 }, start);
      for (let victim = 0; victim < VICTIMS && faults.length === 0; victim += 1) {
        await operations(control, 100 + random(400));
        const which = random(threads.length);
        const worker = threads[which] as Worker;
        const { threadId } = worker;
        await worker.terminate();
        if (recover) cache.recover(threadId);
        threads[which] = start();
      }
      const results = Promise.all(threads.map(resultOf));
      Atomics.store(control, 0, 1);
      await results;
      expect(faults).toEqual([]);
      // The last to end may have held the lock, without anyone who came after it.
      cache.set('next', Buffer.from('value'));
      expect(checkStructure(cache.handle)).toEqual([]);
      // Most of them are in a write when they end, or nothing was tested.
      expect(cache.stats().repairs).toBeGreaterThan(0);
      works(cache);
    });
  },
);

/** Until all threads together have done so many more. */
async function operations(control: Int32Array, count: number): Promise<void> {
  const until = Atomics.load(control, 1) + count;
  for (let now = Atomics.load(control, 1); now < until; now = Atomics.load(control, 1)) {
    const waiting = Atomics.waitAsync(control, 1, now, 30_000);
    if ((await waiting.value) === 'timed-out') throw new Error('no thread goes on');
  }
}

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
