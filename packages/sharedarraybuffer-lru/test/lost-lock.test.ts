import { expect, test } from 'vitest';
import { type Call, callsOn, fullCache, KEY, stopInside, works } from './full-cache.js';
import { openGate, resultOf } from './threads.js';
import { describe as bytesOf, read } from './traffic.mjs';

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
