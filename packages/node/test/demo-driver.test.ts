import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Driver } from '../dist/demo/driver.js';

test('as many operations as allowed are in flight, and never more', async () => {
  const driver = new Driver(7);
  let started = 0;
  let inFlight = 0;
  let most = 0;
  const operation = async () => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    // Some answer from a cache, some come later.
    await (started % 3 === 0 ? turn() : undefined);
    inFlight -= 1;
  };
  await driver.run(() => {
    if (started === 1_000) return undefined;
    started += 1;
    return operation();
  });
  await driver.idle();
  expect(most).toBe(7);
  expect(inFlight).toBe(0);
  expect(driver.inFlight).toBe(0);
});

test('the event loop has its turns while every operation is answered at once', async () => {
  const driver = new Driver(16);
  let turns = 0;
  let isOver = false;
  setImmediate(function count() {
    turns += 1;
    if (turns === 100) isOver = true;
    else setImmediate(count);
  });
  // Would never end if nothing but operations ran.
  await driver.run(() => (isOver ? undefined : Promise.resolve()));
  expect(turns).toBe(100);
});

test('waiting for the operations that were started last ends when they do', async () => {
  const driver = new Driver(4);
  let finish = () => {};
  const last = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let started = 0;
  await driver.run(() => {
    started += 1;
    return started > 2 ? undefined : last;
  });
  expect(driver.inFlight).toBe(2);
  const idle = driver.idle();
  finish();
  await idle;
  expect(driver.inFlight).toBe(0);
});
