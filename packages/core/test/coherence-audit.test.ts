import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BOUNDS } from '../dist/coherence/bounds.js';
import type { ZMsg } from '../dist/index.js';
import { type Fleet, openFleet } from './coherence-nodes.js';

/** Of load; longer with this variable. */
const SECONDS = Number(process.env.COHERENCE_AUDIT_SECONDS ?? 8);
/** None of these nodes was ever without Redis when it opened. */
const BOUND_MS = BOUNDS.silentMs + BOUNDS.doubtTtlMs;
const KEYS = Array.from({ length: 6 }, (_, n) => `audit_${n}`);

interface Write {
  /** Undefined: a delete. */
  readonly version: string | undefined;
  readonly startedMs: number;
  /** Infinity: not acknowledged. */
  acknowledgedMs: number;
}

/** Which versions were written when, and whether a read may have given what it gave. */
class Ledger {
  readonly #writes = new Map<string, Write[]>(
    KEYS.map((key) => [key, [{ version: undefined, startedMs: 0, acknowledgedMs: 0 }]]),
  );
  #last = 0;
  reads = 0;
  readonly wrong: string[] = [];
  readonly stale: string[] = [];

  begin(key: string, isDelete: boolean): Write {
    const version = isDelete ? undefined : `${key}:${++this.#last}`;
    const write = { version, startedMs: performance.now(), acknowledgedMs: Number.POSITIVE_INFINITY };
    this.#writes.get(key)?.push(write);
    return write;
  }

  /** How long before the read the value was replaced for certain, milliseconds; 0: it may be the newest. */
  ageOf(key: string, value: string | undefined, readMs: number): number | undefined {
    const writes = this.#writes.get(key) ?? [];
    const givers = writes.filter(({ version }) => version === value);
    if (givers.length === 0) return undefined;
    const latest = Math.max(...givers.map(({ acknowledgedMs }) => acknowledgedMs));
    // Overlapping writes may be in either order; one that began after the other's answer is later.
    const replaced = writes.filter(({ startedMs, version }) => startedMs > latest && version !== value);
    return Math.max(0, readMs - Math.min(...replaced.map(({ acknowledgedMs }) => acknowledgedMs)));
  }
}

let fleet: Fleet;
beforeAll(async () => {
  fleet = await openFleet();
});

afterAll(() => fleet.close());

test(
  'under cuts, half-open links and a Redis that restarts no read is older than the bound, and none is wrong',
  async () => {
    const ledger = new Ledger();
    const lag = monitorEventLoopDelay({ resolution: 10 });
    lag.enable();
    let isRunning = true;
    let oldestMs = 0;

    const reader = async (zm: ZMsg) => {
      while (isRunning) {
        const key = pick(KEYS);
        const readMs = performance.now();
        const value = (await zm.get(key))?.toString();
        const ageMs = ledger.ageOf(key, value, readMs);
        ledger.reads += 1;
        if (ageMs === undefined) ledger.wrong.push(`${key} gave ${value}`);
        else {
          oldestMs = Math.max(oldestMs, ageMs);
          // This thread is also the nodes': what it could not do in time, they could not.
          if (ageMs > BOUND_MS + 2 * (lag.max / 1e6)) ledger.stale.push(`${key}: ${ageMs.toFixed()} ms`);
        }
        if (ledger.reads % 16 === 0) await sleep(1);
      }
    };
    const writer = async (zm: ZMsg) => {
      while (isRunning) {
        const key = pick(KEYS);
        const write = ledger.begin(key, Math.random() < 0.1);
        if (write.version === undefined) await zm.delStore(key);
        else await zm.cacheAndStore(key, Buffer.from(write.version));
        write.acknowledgedMs = performance.now();
        await sleep(Math.random() * 20);
      }
    };

    const load = [...fleet.nodes.flatMap((zm) => [reader(zm), reader(zm)]), ...fleet.nodes.map(writer)];
    const endMs = performance.now() + SECONDS * 1000;
    const faults: string[] = [];
    while (performance.now() < endMs) {
      const link = pick(fleet.links);
      const fault = faults.length === 0 ? 0 : faults.length === 1 ? 1 : Math.floor(Math.random() * 4);
      if (fault === 0) link.stall();
      else if (fault === 1) link.cut();
      else if (fault === 2) link.reset();
      else await fleet.redis.stop('SIGKILL');
      faults.push(['stall', 'cut', 'reset', 'restart'][fault] as string);
      await sleep(500 + Math.random() * 3000);
      if (fault === 3) await fleet.redis.start();
      link.heal();
      await sleep(Math.random() * 1500);
    }
    isRunning = false;
    await Promise.all(load);

    expect(ledger.wrong).toEqual([]);
    expect(ledger.stale).toEqual([]);
    // Nothing old is left anywhere.
    await expect
      .poll(() => fleet.nodes.map((zm) => zm.stats().coherence?.state), { timeout: 40_000 })
      .toEqual(['trusted', 'trusted', 'trusted']);
    for (const key of KEYS) {
      const [row] = await fleet.psql('SELECT data FROM zmsg_data WHERE id = $1', [key]);
      const truth = (row?.data as Buffer | undefined)?.toString();
      for (const zm of fleet.nodes) {
        await expect.poll(async () => (await zm.get(key))?.toString(), { timeout: 10_000 }).toBe(truth);
      }
    }
    console.log(
      `${ledger.reads} reads, ${faults.join(', ')}: oldest ${oldestMs.toFixed()} ms, longest turn of the event loop ${(lag.max / 1e6).toFixed()} ms`,
    );
  },
  SECONDS * 1000 + 120_000,
);

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T;
}
