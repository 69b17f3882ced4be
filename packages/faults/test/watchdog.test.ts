import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Watchdog } from '../dist/watchdog.js';

const hung: string[] = [];
let watchdog: Watchdog;
beforeEach(() => {
  vi.useFakeTimers();
  hung.length = 0;
  watchdog = new Watchdog(30_000, (what) => hung.push(what));
});
afterEach(() => {
  watchdog.close();
  vi.useRealTimers();
});

test('a call that hangs is told of when nothing else is settled any more, once', () => {
  watchdog.watch('lost');
  for (let second = 0; second < 100; second += 1) {
    const settled = watchdog.watch('slow');
    vi.advanceTimersByTime(1_000);
    settled();
  }
  expect(hung).toEqual([]);
  expect([...watchdog.open]).toEqual(['lost']);
  vi.advanceTimersByTime(100_000);
  expect(hung).toEqual(['lost']);
  expect([...watchdog.open]).toEqual([]);
});

test('standing idle without calls is no hanging', () => {
  watchdog.watch('done')();
  vi.advanceTimersByTime(60_000);
  watchdog.watch('new');
  vi.advanceTimersByTime(30_000);
  expect(hung).toEqual([]);
});
