import { expect, test } from 'vitest';
import { Backoff } from '../dist/start/backoff.js';

test('pauses double from 100 ms to 10 s', () => {
  const backoff = new Backoff(() => 0);
  expect(Array.from({ length: 9 }, () => backoff.next(0))).toEqual([
    100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000,
  ]);
});

test('chance shortens a pause by up to a half', () => {
  const backoff = new Backoff(() => 0.999_999);
  expect([backoff.next(0), backoff.next(0)]).toEqual([50, 100]);
});

test('after half a minute without a crash the pauses begin anew', () => {
  const backoff = new Backoff(() => 0);
  backoff.next(0);
  expect(backoff.next(29_999)).toBe(200);
  expect(backoff.next(30_000)).toBe(100);
  expect(backoff.next(0)).toBe(200);
});
