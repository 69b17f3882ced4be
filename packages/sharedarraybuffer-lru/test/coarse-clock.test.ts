import { expect, test } from 'vitest';
import { CoarseClock } from '../dist/coarse-clock.js';

const HOUR_MS = 3_600_000;

/** Counts how often the time is asked for. */
function countingDate(): { asked: number; restore: () => void } {
  const { now } = Date;
  const counter = { asked: 0, restore: () => (Date.now = now) };
  Date.now = () => {
    counter.asked += 1;
    return now();
  };
  return counter;
}

test('an hour to go is not looked up at each read, but at one of 64 at least', () => {
  const date = countingDate();
  try {
    const clock = new CoarseClock(undefined);
    const end = Date.now() + HOUR_MS;
    date.asked = 0;
    for (let n = 0; n < 650; n++) expect(clock.isOver(end)).toBe(false);
    expect(date.asked).toBe(10);
  } finally {
    date.restore();
  }
});

test('in the last minute every read looks at the time', () => {
  const date = countingDate();
  try {
    const clock = new CoarseClock(undefined);
    const end = Date.now() + 59_000;
    date.asked = 0;
    for (let n = 0; n < 10; n++) expect(clock.isOver(end)).toBe(false);
    expect(date.asked).toBe(10);
    expect(clock.isOver(Date.now())).toBe(true);
    expect(clock.isOver(Number.POSITIVE_INFINITY)).toBe(false);
  } finally {
    date.restore();
  }
});

test('a turn of the event loop ends the moment for which a look is good', async () => {
  const date = countingDate();
  try {
    const clock = new CoarseClock(undefined);
    const end = Date.now() + HOUR_MS;
    expect(clock.isOver(end)).toBe(false);
    // Timers of one duration fire in the order in which they were set: the clock's own was first.
    await new Promise((resolve) => setTimeout(resolve, 1));
    date.asked = 0;
    expect(clock.isOver(end)).toBe(false);
    expect(date.asked).toBe(1);
  } finally {
    date.restore();
  }
});

test('a clock of the caller is asked each time', () => {
  let now = 0;
  const clock = new CoarseClock(() => now);
  expect(clock.isOver(10 * HOUR_MS)).toBe(false);
  now = 10 * HOUR_MS;
  expect(clock.isOver(10 * HOUR_MS)).toBe(true);
});
