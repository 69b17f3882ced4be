import { expect, test } from 'vitest';
import { CircuitBreaker } from '../dist/l2/circuit-breaker.js';

function breakerWithClock() {
  let nowMs = 0;
  const probes: { pass: () => void; fail: () => void }[] = [];
  const breaker = new CircuitBreaker({
    failureThreshold: 3,
    openMs: 100,
    maxOpenMs: 400,
    now: () => nowMs,
    probe: () =>
      new Promise<void>((resolve, reject) => {
        probes.push({ pass: resolve, fail: () => reject(new Error('no answer')) });
      }),
  });
  const advance = (ms: number) => {
    nowMs += ms;
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { breaker, probes, settle, advance };
}

test('it opens after as many failures in a row as its threshold, and a success in between resets', () => {
  const { breaker } = breakerWithClock();
  breaker.failed();
  breaker.failed();
  breaker.succeeded();
  breaker.failed();
  breaker.failed();
  expect(breaker.allows()).toBe(true);
  breaker.failed();
  expect(breaker.state).toBe('open');
  expect(breaker.allows()).toBe(false);
});

test('an open breaker refuses every call and sends one probe when its time has passed', async () => {
  const { breaker, probes, settle, advance } = breakerWithClock();
  for (let n = 0; n < 3; n++) breaker.failed();
  advance(99);
  expect(breaker.allows()).toBe(false);
  expect(probes).toHaveLength(0);
  advance(1);
  expect(breaker.allows()).toBe(false);
  expect(breaker.allows()).toBe(false);
  expect(breaker.state).toBe('half-open');
  expect(probes).toHaveLength(1);
  probes[0]?.pass();
  await settle();
  expect(breaker.state).toBe('closed');
  expect(breaker.allows()).toBe(true);
});

test('each failed probe doubles the wait up to its bound, and late answers do not close it', async () => {
  const { breaker, probes, settle, advance } = breakerWithClock();
  for (let n = 0; n < 3; n++) breaker.failed();
  for (const waitMs of [100, 200, 400, 400]) {
    advance(waitMs - 1);
    breaker.allows();
    expect(breaker.state).toBe('open');
    advance(1);
    breaker.allows();
    expect(breaker.state).toBe('half-open');
    breaker.succeeded();
    expect(breaker.allows()).toBe(false);
    probes.at(-1)?.fail();
    await settle();
    expect(breaker.state).toBe('open');
  }
  breaker.hurry();
  probes.at(-1)?.pass();
  await settle();
  expect(breaker.state).toBe('closed');
});
