import { join } from 'node:path';
import { ZMsg } from '@zmsg/core';
import { atLeast, atMost } from '../bar.js';
import { contest, ratioOf } from '../contest.js';
import { number } from '../format.js';
import { inFlight } from '../in-flight.js';
import type { Stage } from '../stage.js';
import type { Suite } from '../suite.js';

const IN_FLIGHT = 1_000;
const KEYS = 10_000;
const VALUE = Buffer.alloc(100, 'v');
const TTL_MS = 3_600_000;
/** Longest wait for one invalidation; then it counts as this long. */
const LOST_MS = 5_000;
const CACHE_ONLY = 'cacheOnly';
const SET = 'SET, each awaited (ioredis)';

/**
 * Two nodes over one Redis. `cacheOnly` puts a value into L1 and L2 and tells the other node, 1,000 in
 * flight; beside it the awaited SET that a program without an engine would do, one after the other. Then how
 * long after an acknowledged write the other node still has the old value: it reads until it sees the new one.
 */
export const coherence: Suite = {
  name: 'coherence',
  async run(stage, options) {
    const count = options.quick ? 10_000 : 50_000;
    const single = options.quick ? 500 : 2_000;
    const rounds = options.quick ? 100 : 1_000;
    const { redis } = stage;
    const fleet = await openFleet(stage);
    const [a, b] = fleet;
    try {
      const key = (n: number) => `bench_${(n * 7919) % KEYS}`;
      const cacheOnly = {
        name: CACHE_ONLY,
        does: 'in L1 and Redis, and told to the other node',
        ours: true,
        operations: count,
        run: () => inFlight(count, IN_FLIGHT, (n) => a.cacheOnly(key(n), VALUE)),
      };
      const set = {
        name: SET,
        does: 'in Redis',
        operations: single,
        run: async () => {
          for (let n = 0; n < single; n++) await redis.set(key(n), VALUE, 'PX', TTL_MS);
        },
      };
      const puts = await contest([cacheOnly, set], {
        ...options,
        id: 'coherence.puts',
        title: `Values of ${VALUE.length} bytes, ${number(IN_FLIGHT)} in flight`,
        show: 'rate',
      });
      const idle = await ages(a, b, rounds, false);
      const busy = await ages(a, b, rounds, true);
      const gaps = b.stats().coherence?.gaps ?? Number.NaN;
      const seen = (id: string, name: string, value: number, note?: string) =>
        ({ id: `coherence.${id}`, name, value, unit: 'ms', ...(note && { note }) }) as const;
      return {
        name: 'coherence',
        title: 'Two nodes over one Redis',
        contests: [puts],
        figures: [
          seen('idle.p50', 'a write seen by the other node, idle, p50', idle.p50),
          seen('idle.p99', 'p99', idle.p99),
          seen('busy.p50', 'the same, both nodes writing, p50', busy.p50),
          seen('busy.p99', 'p99', busy.p99, `${gaps} gaps`),
        ],
        bars: [
          atLeast('coherence.sets', '`cacheOnly` against awaited SETs', ratioOf(puts, SET, CACHE_ONLY), 10),
          atMost(
            'coherence.p99',
            'a write seen by the other node, p99',
            Math.max(idle.p99, busy.p99),
            50,
            'ms',
          ),
        ],
      };
    } finally {
      await Promise.all(fleet.map((zm) => zm.close()));
    }
  },
};

async function openFleet({ dsn, redisAddr, dir }: Stage): Promise<[ZMsg, ZMsg]> {
  const open = (n: number) =>
    ZMsg.open({
      postgresDsn: dsn,
      redisAddr,
      cachePrefix: `bench-fleet:${process.pid}:`,
      dataDir: join(dir, `fleet-${n}`),
      batchShards: 1,
      defaultTtl: TTL_MS,
      logLevel: 'error',
    });
  return [await open(0), await open(1)];
}

/** From the moment that `a` has its answer until `b` gives the new value, milliseconds. */
async function ages(a: ZMsg, b: ZMsg, rounds: number, isBusy: boolean) {
  let isRunning = true;
  const writers = isBusy ? [a, b].map((zm, at) => keepWriting(zm, at, () => isRunning)) : [];
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const key = `aged_${round % 100}`;
    const value = `${isBusy} ${round}`;
    await b.get(key); // what it has now, it has in L1
    await a.cacheAndStore(key, Buffer.from(value));
    const sinceMs = performance.now();
    while ((await b.get(key))?.toString() !== value && performance.now() - sinceMs < LOST_MS) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    samples.push(performance.now() - sinceMs);
  }
  isRunning = false;
  await Promise.all(writers);
  samples.sort((x, y) => x - y);
  const at = (share: number) =>
    samples[Math.min(samples.length - 1, Math.floor(samples.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

async function keepWriting(zm: ZMsg, node: number, isRunning: () => boolean): Promise<void> {
  for (let n = 0; isRunning(); n++) {
    await inFlight(20, 20, (at) => zm.cacheOnly(`busy_${node}_${(n * 20 + at) % KEYS}`, VALUE));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
