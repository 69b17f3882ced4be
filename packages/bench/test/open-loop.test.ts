import { Random } from '@zmsg/node';
import { expect, test } from 'vitest';
import { arrivals } from '../dist/workloads/arrivals.js';
import { type Clock, openLoop } from '../dist/workloads/open-loop.js';

/** Time that goes on only when somebody takes it. */
class FakeClock implements Clock {
  #nowMs = 5_000;
  readonly nowMs = () => this.#nowMs;
  readonly pause = async () => {
    // What has been started is answered, as far as it can be without time.
    await new Promise((resolve) => setImmediate(resolve));
    this.take(1);
  };

  take(ms: number): void {
    this.#nowMs += ms;
  }
}

interface Played {
  latencies: number[];
  /** Counted from the call, as a loop that waits for answers would. */
  serviceTimes: number[];
  result: Awaited<ReturnType<typeof openLoop>>;
}

/** A service that answers at once, but that stops the whole process for `stallMs` at one operation. */
async function play(schedule: Float64Array, stallAt: number, stallMs: number): Promise<Played> {
  const clock = new FakeClock();
  const latencies: number[] = [];
  const serviceTimes: number[] = [];
  let started = 0;
  const result = await openLoop({
    schedule,
    clock,
    maxInFlight: 1_000,
    patienceMs: 10_000,
    record: (latencyMs) => latencies.push(latencyMs),
    start: async () => {
      const calledMs = clock.nowMs();
      if (started++ === stallAt) clock.take(stallMs);
      serviceTimes.push(clock.nowMs() - calledMs);
    },
  });
  return {
    latencies: latencies.sort((a, b) => a - b),
    serviceTimes: serviceTimes.sort((a, b) => a - b),
    result,
  };
}

const everyMs = Float64Array.from({ length: 1_000 }, (_, at) => at);
const p99 = (sorted: readonly number[]) => sorted[Math.floor(sorted.length * 0.99)] as number;

test('a stall is charged to all operations that were due during it', async () => {
  const { latencies, serviceTimes, result } = await play(everyMs, 500, 100);
  expect(result).toMatchObject({ answered: 1_000, abandoned: 0 });
  // Those that were due in the stall waited for its end: 100 ms, 99 ms, …
  expect(latencies.filter((ms) => ms >= 10).length).toBeGreaterThanOrEqual(90);
  expect(p99(latencies)).toBeGreaterThanOrEqual(90);
  // A clock that starts with the call sees one slow operation, which no percentile shows.
  expect(p99(serviceTimes)).toBe(0);
});

test('without a stall the latency is what the clock adds', async () => {
  const { latencies } = await play(everyMs, -1, 0);
  expect(latencies.at(-1)).toBeLessThanOrEqual(1);
});

test('operations are started when they are due, whether or not earlier ones were answered', async () => {
  const clock = new FakeClock();
  const waiting: (() => void)[] = [];
  let most = 0;
  const latencies: number[] = [];
  const { answered } = await openLoop({
    schedule: everyMs,
    clock: {
      nowMs: clock.nowMs,
      pause: async () => {
        await clock.pause();
        most = Math.max(most, waiting.length);
        if (clock.nowMs() >= 6_000) for (const answer of waiting.splice(0)) answer();
      },
    },
    maxInFlight: 1_000,
    patienceMs: 10_000,
    record: (latencyMs) => latencies.push(latencyMs),
    start: () => new Promise<void>((resolve) => waiting.push(resolve)),
  });
  expect(answered).toBe(1_000);
  expect(most).toBeGreaterThan(900);
  expect(Math.max(...latencies)).toBeGreaterThanOrEqual(999);
});

test('what waits is bounded, and what is started late counts from when it was due', async () => {
  const clock = new FakeClock();
  const latencies: number[] = [];
  let inFlight = 0;
  let most = 0;
  const { answered } = await openLoop({
    schedule: new Float64Array(100), // all at once
    clock,
    maxInFlight: 10,
    patienceMs: 10_000,
    record: (latencyMs) => latencies.push(latencyMs),
    start: async () => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight -= 1;
    },
  });
  expect(answered).toBe(100);
  expect(most).toBe(10);
  expect(Math.max(...latencies)).toBeGreaterThanOrEqual(9);
});

test('operations that are given up count as waiting until the end', async () => {
  const clock = new FakeClock();
  const latencies: number[] = [];
  let isOver = false;
  const { answered, abandoned } = await openLoop({
    schedule: Float64Array.from({ length: 100 }, (_, at) => at),
    clock: {
      nowMs: clock.nowMs,
      pause: async () => {
        await clock.pause();
        isOver ||= clock.nowMs() > 5_500;
      },
    },
    maxInFlight: 1,
    patienceMs: 200,
    record: (latencyMs) => latencies.push(latencyMs),
    start: async () => {
      while (!isOver) await new Promise((resolve) => setImmediate(resolve));
    },
  });
  expect(answered).toBe(1);
  expect(abandoned).toBe(99);
  expect(latencies.length).toBe(100);
  expect(Math.min(...latencies)).toBeGreaterThan(300);
});

test('arrivals are a Poisson process: the rate asked for, exponential gaps, the same for the same seed', () => {
  const due = arrivals(10_000, 10, new Random(7));
  expect(due.length).toBeGreaterThan(98_500);
  expect(due.length).toBeLessThan(101_500);
  const gaps = Array.from(due, (at, n) => at - (due[n - 1] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
  expect(due.at(-1)).toBeLessThan(10_000);
  // Of exponential gaps e^-1 are longer than the mean, e^-3 longer than three of them.
  const longer = (means: number) => gaps.filter((gap) => gap > 0.1 * means).length / gaps.length;
  expect(longer(1)).toBeCloseTo(Math.exp(-1), 1);
  expect(longer(3)).toBeCloseTo(Math.exp(-3), 2);
  expect(arrivals(10_000, 10, new Random(7))).toEqual(due);
});
