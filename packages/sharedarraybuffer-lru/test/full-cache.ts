import { expect } from 'vitest';
import { checkStructure } from '../dist/check.js';
import type { Failpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { HEADER } from '../dist/layout.js';
import { newGate, startThread, stoppedAt } from './threads.js';
import { describe as bytesOf, read } from './traffic.mjs';

export const OLD_KEYS = 300;
export const KEY = 'key-1000';
export const NEW_KEY = 'key-1001';

export interface Call {
  name: 'set' | 'fill' | 'delete' | 'clear';
  args: unknown[];
}

/** One segment, full and in use, so that a write must also move and evict; always the same steps. */
export function fullCache(): SharedLRU {
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

export function callsOn(cache: SharedLRU): Record<string, Call> {
  return {
    'a set that overwrites': { name: 'set', args: [KEY, bytesOf(1000, 1, 1, 3000)] },
    'a set of a new key': { name: 'set', args: [NEW_KEY, bytesOf(1001, 1, 1, 3000)] },
    'a fill': { name: 'fill', args: [KEY, bytesOf(1000, 1, 1, 50), cache.fillToken(KEY)] },
    'a set too large': { name: 'set', args: [KEY, Buffer.alloc(1 << 20)] },
    'a delete': { name: 'delete', args: [KEY] },
    'a clear': { name: 'clear', args: [] },
  };
}

/** Reads every key: whole values of the key or nothing. */
export function readAll(cache: SharedLRU): number {
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
export function works(cache: SharedLRU): number {
  for (let i = 0; i < 500; i += 1) {
    const value = bytesOf(i, 7, i, i % 300);
    expect(cache.set(`new-${i}`, value)).toBe(true);
    expect(cache.get(`new-${i}`)?.equals(value)).toBe(true);
  }
  expect(checkStructure(cache.handle)).toEqual([]);
  return cache.stats().usedBytes;
}

export const USUAL_BYTES = works(SharedLRU.create({ maxBytes: 32 << 10 }));

/** Stops the call of another thread at that point. */
export async function stopInside(cache: SharedLRU, call: Call, ...points: Failpoint[]) {
  const gates = points.map(newGate);
  const worker = startThread('stopInside', cache.handle, { points, call, gates });
  await stoppedAt(gates[0] as Int32Array);
  return { worker, gates, threadId: worker.threadId };
}
