import { expect, test } from 'vitest';
import { EarlyLoads } from '../dist/read/early-loads.js';

test('keys are noted once each, and with very many of them any key is meant', () => {
  const loads = new EarlyLoads();
  loads.add(['a', 'b']);
  loads.add(['b']);
  expect([...(loads.keys ?? [])]).toEqual(['a', 'b']);
  loads.add(Array.from({ length: 100_000 }, (_, n) => `key ${n}`));
  expect(loads.keys).toBeUndefined();
  loads.add(['c']);
  expect(loads.keys).toBeUndefined();
});
