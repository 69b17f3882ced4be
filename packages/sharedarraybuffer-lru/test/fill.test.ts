import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { FAILPOINTS, onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { newGate, openGate, resultOf, startThread, stoppedAt } from './threads.js';

const loaded = Buffer.from('loaded');

function withOther(maxBytes = 1 << 20): [SharedLRU, SharedLRU] {
  const cache = SharedLRU.create({ maxBytes });
  return [cache, SharedLRU.attach(cache.handle)];
}

const text = (value: Buffer | undefined) => value?.toString();

test('a fill stores what was loaded if nobody wrote the key meanwhile', () => {
  const [cache, other] = withOther();
  const token = cache.fillToken('key');
  expect(cache.fillToken('key')).toBe(token);
  expect(other.fill('key', loaded, token, { ttl: 5000 })).toBe(true);
  expect(text(cache.get('key'))).toBe('loaded');
  expect(cache.remainingTtl('key')).toBeGreaterThan(0);
  // Two loads that began at the same time: both are as new as the token.
  expect(cache.fill('key', loaded, token)).toBe(true);
});

const WRITES: [string, (cache: SharedLRU) => unknown][] = [
  ['set', (cache) => cache.set('key', Buffer.from('newer'))],
  ['set that was refused', (cache) => cache.set('key', Buffer.alloc(1 << 20))],
  ['delete', (cache) => cache.delete('key')],
  ['clear', (cache) => cache.clear()],
];

test.for(WRITES)('a fill after a %s is refused', ([, write]) => {
  for (const present of [false, true]) {
    const [cache, other] = withOther();
    if (present) cache.set('key', Buffer.from('old'));
    const token = cache.fillToken('key');
    write(other);
    const left = text(cache.get('key'));
    expect(cache.fill('key', loaded, token)).toBe(false);
    expect(text(cache.get('key'))).toBe(left);
    expect(cache.fill('key', loaded, cache.fillToken('key'))).toBe(true);
  }
});

test.for(WRITES)('a %s after a fill has the last word, and ends all tokens', ([, write]) => {
  const [cache, other] = withOther();
  const token = cache.fillToken('key');
  expect(cache.fill('key', loaded, token)).toBe(true);
  write(other);
  const left = text(cache.get('key'));
  expect(left).not.toBe('loaded');
  expect(other.fill('key', loaded, token)).toBe(false);
  expect(text(cache.get('key'))).toBe(left);
});

test('a fill with the token of before any number of writes and deletes is refused', () => {
  const [cache, other] = withOther();
  const token = cache.fillToken('key');
  for (let i = 0; i < 5000; i += 1) {
    if (i % 3 === 0) other.delete('key');
    else other.set('key', Buffer.from(String(i)));
    expect(cache.fill('key', loaded, token)).toBe(false);
  }
  expect(text(cache.get('key'))).toBe('4999');
});

test('a token outlives the eviction of its key, which takes no write back', () => {
  const [cache] = withOther(16 << 10);
  cache.set('key', Buffer.from('old'));
  // Keys of other generation cells only: one that shares the cell would end the token too.
  const token = cache.fillToken('key');
  for (let i = 0; cache.has('key'); i += 1) {
    const other = `other-${i}`;
    const before = cache.fillToken('key');
    cache.fill(other, Buffer.alloc(200), cache.fillToken(other));
    expect(cache.fillToken('key')).toBe(before);
    expect(i).toBeLessThan(10_000);
  }
  expect(cache.fill('key', loaded, token)).toBe(true);
  expect(text(cache.get('key'))).toBe('loaded');
});

test('a token outlives the end of its entry', () => {
  let now = 0;
  const cache = SharedLRU.create({ maxBytes: 16 << 10, clock: () => now });
  cache.set('key', Buffer.from('old'), { ttl: 10 });
  const token = cache.fillToken('key');
  now = 10;
  expect(cache.get('key')).toBeUndefined();
  expect(cache.fill('key', loaded, token)).toBe(true);
  expect(text(cache.get('key'))).toBe('loaded');
});

test('a fill too large is refused and leaves the older value', () => {
  const cache = SharedLRU.create({ maxBytes: 64 << 10, maxValueBytes: 100 });
  cache.set('key', Buffer.from('old'));
  expect(cache.fill('key', Buffer.alloc(101), cache.fillToken('key'))).toBe(false);
  expect(text(cache.get('key'))).toBe('old');
});

test('a fill of one key is seldom refused because of another', () => {
  const [cache] = withOther();
  let refused = 0;
  for (let i = 0; i < 1000; i += 1) {
    const token = cache.fillToken(`key-${i}`);
    cache.set(`other-${i}`, loaded);
    if (!cache.fill(`key-${i}`, loaded, token)) refused += 1;
  }
  expect(refused).toBeLessThan(20);
});

/**
 * A load that began while a write was at work: whoever still reads the value of before may have loaded that
 * of before as well. The hook stands for another thread, which looks while the writer is at this point.
 */
const INSIDE: { name: string; write: (cache: SharedLRU) => unknown }[] = [
  { name: 'a set', write: (cache) => cache.set('key', Buffer.from('newer')) },
  { name: 'a set that is refused', write: (cache) => cache.set('key', Buffer.alloc(1 << 20)) },
  { name: 'a delete', write: (cache) => cache.delete('key') },
  { name: 'a clear', write: (cache) => cache.clear() },
];

test.for(INSIDE)(
  'a token taken inside $name is worth nothing if the old value was still there',
  ({ write }) => {
    for (const point of FAILPOINTS) {
      const [cache, other] = withOther();
      cache.set('key', Buffer.from('old'));
      const loads: { seen: string | undefined; token: number }[] = [];
      onFailpoint((reached) => {
        if (reached !== point) return;
        const token = other.fillToken('key');
        loads.push({ token, seen: text(other.get('key')) });
      });
      write(cache);
      onFailpoint(undefined);
      const left = text(cache.get('key'));
      for (const { seen, token } of loads) {
        if (seen !== 'old') continue;
        expect(other.fill('key', Buffer.from('old'), token), `at ${point}`).toBe(false);
        expect(text(cache.get('key'))).toBe(left);
      }
      expect(checkStructure(cache.handle)).toEqual([]);
    }
  },
);

test.for(['locked', 'appended', 'placed', 'published', 'raised'] as const)(
  'a token of before a takeover is void: the owner stopped, %s',
  async (point) => {
    const [cache] = withOther(16 << 10);
    for (let i = 0; i < 300; i += 1) cache.set(`old-${i}`, Buffer.alloc(200));
    cache.set('key', Buffer.from('old'));
    const token = cache.fillToken('key');
    const gate = newGate();
    const call = { name: 'set', args: ['another', Buffer.alloc(1000)] };
    const worker = startThread('stopInside', cache.handle, { points: [point], call, gates: [gate] });
    await stoppedAt(gate);
    const { threadId } = worker;
    const inside = cache.fillToken('key');
    await worker.terminate();
    expect(cache.recover(threadId)).toBe(1);
    expect(cache.fill('key', loaded, token)).toBe(false);
    expect(cache.fill('key', loaded, inside)).toBe(false);
    expect(cache.get('key')).toBeUndefined();
    expect(cache.fill('key', loaded, cache.fillToken('key'))).toBe(true);
    expect(text(cache.get('key'))).toBe('loaded');
  },
);

test('a fill that waits for a set of its key is refused', async () => {
  const [cache] = withOther();
  cache.set('key', Buffer.from('old'));
  const gates = [newGate(), newGate()] as const;
  const set = startThread('stopInside', cache.handle, {
    points: ['written'],
    call: { name: 'set', args: ['key', Buffer.from('newer')] },
    gates: [gates[0]],
  });
  await stoppedAt(gates[0]);
  const fill = startThread('call', cache.handle, {
    name: 'fill',
    args: ['key', Buffer.from('old'), cache.fillToken('key')],
    started: gates[1],
  });
  await stoppedAt(gates[1]);
  const outcomes = Promise.all([resultOf(set), resultOf(fill)]);
  openGate(gates[0]);
  expect(await outcomes).toEqual([true, false]);
  expect(text(cache.get('key'))).toBe('newer');
});
