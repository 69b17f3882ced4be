import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogError } from '../dist/error.js';
import type { ShardLog } from '../dist/log/shard-log.js';
import { type DiskCall, LogDisk } from './log-disk.js';
import { definitionOf, openLog, read, type TestOperation, textOf, toAppend } from './log-fixture.js';

type Step =
  | { do: 'append'; producer: number; count: number; length: number; shape: number; gap: number }
  | { do: 'write' | 'sync' | 'commit' | 'release' | 'reopen' | 'kill' }
  | { do: 'crash'; seed: number }
  | { do: 'fault'; call: DiskCall; times: number }
  | { do: 'wait' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      producer: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 12 }),
      length: fc.constantFrom(8, 9, 40, 101, 500, 513, 1600, 3000),
      shape: fc.integer({ min: 0, max: 4 }),
      gap: fc.constantFrom(0, 0, 0, 3),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('write' as const, 'sync' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('commit' as const, 'release' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('reopen' as const, 'kill' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), seed: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
);

const fault: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('fault' as const),
  call: fc.constantFrom<DiskCall>('open', 'write', 'fsync', 'rename', 'unlink'),
  times: fc.integer({ min: 1, max: 4 }),
});

/** What the log owes to whom. Operations are compared as texts, by position. */
class Model {
  readonly disk = new LogDisk();
  /** In the log or to be in it, in order, without those that were refused. */
  accepted: { position: number; text: string }[] = [];
  collected: { position: number; text: string }[] = [];
  /**
   * Refused, and perhaps in the log: nobody was told that they are. The next write that succeeds makes them
   * void; not before, since a crash can bring back even a segment that was deleted.
   */
  refused = new Map<number, Set<string>>();
  released = 0;
  synced = 0;
  now = 0;
  log: ShardLog;
  #last = 0;
  readonly #shapes = Array.from({ length: 5 }, (_, shape) =>
    shape === 0 ? undefined : definitionOf(shape, 30 * shape),
  );

  constructor() {
    this.log = this.open();
  }

  open(): ShardLog {
    return openLog(this.disk, { now: () => this.now });
  }

  run(step: Step): void {
    switch (step.do) {
      case 'append':
        this.#last += step.gap;
        for (let i = 0; i < step.count; i++) {
          this.#last += 1;
          const operation: TestOperation = {
            producer: step.producer,
            position: this.#last,
            length: step.length,
            definition: this.#shapes[step.shape],
          };
          this.log.append(toAppend(operation));
          this.collected.push({ position: this.#last, text: textOf(operation) });
        }
        return;
      case 'write':
      case 'sync':
        this.attempt(step.do);
        return;
      case 'commit':
        if (this.attempt('write')) this.attempt('sync');
        return;
      case 'release':
        this.released = Math.max(this.released, this.log.synced);
        this.log.release(this.released);
        return;
      case 'wait':
        this.now += 100;
        return;
      case 'fault':
        this.#fail(step.call, step.times);
        return;
      case 'reopen':
        this.log.close();
        expect(this.disk.openFiles).toBe(0);
        this.restart(this.log.written);
        return;
      case 'kill':
        this.disk.kill();
        this.restart(this.log.written);
        return;
      case 'crash': {
        let seed = step.seed;
        this.disk.crash(() => {
          seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
          return ((seed >> 16) & 1) === 1;
        });
        this.restart(this.synced);
      }
    }
  }

  /** True unless it was refused. */
  attempt(what: 'write' | 'sync'): boolean {
    const before = this.log.written;
    try {
      this.log[what]();
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      expect(this.log.written).toBe(before);
      for (const { position, text } of this.collected) {
        const texts = this.refused.get(position) ?? new Set();
        this.refused.set(position, texts.add(text));
      }
      this.collected = [];
      return false;
    }
    if (this.log.written > before) {
      this.accepted.push(...this.collected);
      this.collected = [];
      this.refused.clear();
    }
    if (what === 'sync') expect(this.log.synced).toBe(this.log.written);
    this.synced = this.log.synced;
    return true;
  }

  /** Opens the log once more: everything up to `safe` must be in it, the rest may be, up to some place. */
  restart(safe: number): void {
    this.disk.fault = () => undefined;
    this.log = this.open();
    const got = read(this.log, this.released);
    const accepted = this.accepted.filter(({ position }) => position > this.released);
    const known = new Set([...accepted, ...this.collected].map(({ text }) => text));
    const isKnown = (text: string) => known.has(text);
    const isRefused = (text: string) => this.refused.get(Number.parseInt(text, 10))?.has(text) ?? false;
    expect(got.every((text) => isKnown(text) || isRefused(text))).toBe(true);
    const kept = got.filter(isKnown);
    // A write that was not finished when the process died may be there as well.
    expect(kept).toEqual([...accepted, ...this.collected].map(({ text }) => text).slice(0, kept.length));
    const owed = accepted.filter(({ position }) => position <= safe).length;
    expect(kept.length).toBeGreaterThanOrEqual(owed);
    expect(this.log.end).toBeGreaterThanOrEqual(Number.parseInt(got.at(-1) ?? '0', 10));

    this.accepted = got.map((text) => ({ position: Number.parseInt(text, 10), text }));
    this.collected = [];
    this.synced = this.log.end;
    this.#last = Math.max(this.log.end, this.released);
  }

  #fail(call: DiskCall, times: number): void {
    let left = times;
    this.disk.fault = (made) => {
      if (made !== call || left === 0) return undefined;
      left -= 1;
      return 'EIO';
    };
  }
}

function check(steps: readonly Step[]): void {
  const model = new Model();
  for (const each of steps) model.run(each);
  model.run({ do: 'kill' });
  model.run({ do: 'crash', seed: 1 });
}

function sequences(of: fc.Arbitrary<Step>): fc.Arbitrary<Step[]> {
  return fc.array(of, { maxLength: 80, size: 'max' });
}

/** `pnpm test:properties` raises it. */
const RUNS = Number(process.env.ZMSG_PROPERTY_RUNS ?? 0);

test('after any crash the log gives back a prefix, in order, with everything that was synced', () => {
  fc.assert(fc.property(sequences(step), check), { numRuns: Math.max(250, RUNS) });
});

test('and so it does when writes and fsyncs fail in between', () => {
  const steps = fc.oneof({ weight: 5, arbitrary: step }, { weight: 1, arbitrary: fault });
  fc.assert(fc.property(sequences(steps), check), { numRuns: Math.max(600, 4 * RUNS) });
});
