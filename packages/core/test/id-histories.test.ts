import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IdGenerator } from '../dist/ids/id-generator.js';
import type { Store } from '../dist/store/store.js';
import { FaultyLeaseStore } from './faulty-lease-store.js';
import { IdOracle } from './id-oracle.js';
import { EPOCH_MS, engineStore, SteppedClock } from './ids-fixture.js';

const HOUR_MS = 3_600_000;
const ENGINES = 3;
const FREE = 3;
/** `IDS_HISTORIES=2000` for a long run. */
const HISTORIES = Number(process.env.IDS_HISTORIES ?? 15);

let store: Store;
beforeAll(async () => {
  store = await engineStore(3);
  const first = await IdGenerator.open({ store, epochMs: EPOCH_MS, leaseTtlMs: 30_000 });
  await first.close();
});
afterAll(() => store.close());

/** Machines on one database, each with a clock of its own that may be wrong. */
class Machine {
  readonly clock: SteppedClock;
  readonly #oracle: IdOracle;
  readonly #store = new FaultyLeaseStore(store);
  #ids: IdGenerator | undefined;

  constructor(oracle: IdOracle, wallMs: number) {
    this.#oracle = oracle;
    this.clock = new SteppedClock(wallMs);
  }

  async open(): Promise<void> {
    if (this.#ids !== undefined) return;
    const options = { store: this.#store, epochMs: EPOCH_MS, leaseTtlMs: 30_000, clock: this.clock };
    this.#ids = await tolerate(() => IdGenerator.open(options));
  }

  issue(count: number): void {
    const got: string[] = [];
    try {
      while (this.#ids !== undefined && got.length < count) got.push(this.#ids.next());
    } catch (error) {
      expect(['LEASE_LOST', 'CLOCK']).toContain((error as { code: string }).code);
    }
    this.#oracle.issued('an engine', got);
  }

  loseNextReply(): void {
    this.#store.loseNextReply();
  }

  delayNext(): void {
    this.#store.delayNext();
  }

  arrive(): Promise<void> {
    return this.#store.arrive();
  }

  /** It never gives anything back, and never renews. */
  crash(): void {
    this.#ids = undefined;
    this.clock.forgetTimers();
  }

  async close(): Promise<void> {
    await this.#ids?.close();
    this.#ids = undefined;
  }
}

async function tolerate<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    expect(['LEASE_LOST', 'CLOCK', 'STORE']).toContain((error as { code: string }).code);
    return undefined;
  }
}

/** Long enough for what a timer or a refusal set off, mostly; whether it is done must not matter. */
async function settle(): Promise<void> {
  for (let n = 0; n < 3; n++) await store.exec('SELECT 1');
}

const HIGH_WATER = 'SELECT high_water_ms FROM zmsg_nodes WHERE node_id = $1';

const machine = fc.nat(ENGINES - 1);
const steps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('open' as const), machine }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('issue' as const),
      machine,
      count: fc.integer({ min: 1, max: 9_000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('step' as const),
      machine,
      ms: fc.constantFrom(-HOUR_MS, HOUR_MS, -15, -3, 2),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      machine,
      ms: fc.constantFrom(1, 20, 10_000, 31_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('suspend' as const),
      machine,
      ms: fc.constantFrom(15_000, HOUR_MS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('crash', 'close', 'loseNextReply', 'delayNext', 'arrive'),
      machine,
    }),
  },
  // Where two holders of one node id meet: in one millisecond, or at the end of the reserved time.
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('meet' as const),
      machine,
      other: machine,
      ms: fc.integer({ min: -2, max: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('reach' as const),
      machine,
      node: fc.nat(FREE - 1),
      ms: fc.integer({ min: -11, max: 1 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('expire' as const), node: fc.nat(FREE - 1) }) },
);

test(
  `no history of leases, clocks, crashes and lost answers makes an id twice`,
  async () => {
    let issued = 0;
    const property = fc.asyncProperty(
      fc.array(steps, { minLength: 20, maxLength: 80, size: 'max' }),
      async (history) => {
        await store.exec(
          `UPDATE zmsg_nodes SET high_water_ms = 0, epoch = epoch + 1, expires_at = now() + interval '1 day',
         owner = CASE WHEN node_id < $1 THEN NULL ELSE gen_random_uuid() END`,
          [FREE],
        );
        const oracle = new IdOracle();
        const wallMs = Date.now();
        const machines = Array.from({ length: ENGINES }, (_, n) => new Machine(oracle, wallMs + n));
        for (const step of history) {
          if (step.kind === 'expire') {
            await store.exec('UPDATE zmsg_nodes SET expires_at = now() WHERE node_id = $1', [step.node]);
            continue;
          }
          const at = machines[step.machine] as Machine;
          if (step.kind === 'meet') {
            const other = machines[step.other] as Machine;
            at.clock.step(other.clock.wallMs + step.ms - at.clock.wallMs);
          } else if (step.kind === 'reach') {
            const { rows } = await store.exec<{ high_water_ms: string }>(HIGH_WATER, [step.node]);
            const reachedMs = Number(rows[0]?.high_water_ms) + step.ms;
            if (reachedMs > EPOCH_MS) at.clock.step(reachedMs - at.clock.wallMs);
          } else if (step.kind === 'issue') at.issue(step.count);
          else if (step.kind === 'step') at.clock.step(step.ms);
          else if (step.kind === 'advance') at.clock.advance(step.ms);
          // As of a machine: its monotonic clock stands still.
          else if (step.kind === 'suspend') at.clock.wallMs += step.ms;
          else await at[step.kind]();
          if (step.kind === 'advance' || step.kind === 'issue') await settle();
        }
        for (const each of machines) each.issue(100);
        for (const each of machines) await each.close();
        issued += oracle.count;
        oracle.check();
      },
    );
    await fc.assert(property, { numRuns: HISTORIES, endOnFailure: HISTORIES < 100 });
    // A history may refuse everything; not all may.
    expect(issued).toBeGreaterThan(1_000 * HISTORIES);
  },
  60_000 + 500 * HISTORIES,
);
