import { type PostgresServer, startPostgres } from '@zmsg/testbed';
import { Arena } from './arena.js';
import type { Violation } from './oracle.js';
import type { Scenario } from './scenario.js';
import { Tally } from './tally.js';

export interface RunOptions {
  readonly seed: number;
  readonly cycles: number;
  /** No new cycle after this long, milliseconds. */
  readonly limitMs: number;
  /** The server for scenarios that need none of their own. */
  readonly server: PostgresServer;
  readonly signal: AbortSignal;
  /** @default workload.js */
  readonly program?: URL;
  /** After each cycle. */
  readonly onCycle?: (done: number) => void;
}

export interface ScenarioResult {
  readonly name: string;
  /** Why it did not run. */
  readonly skipped: string | undefined;
  readonly cycles: number;
  /** Acknowledged. */
  readonly operations: number;
  readonly violations: readonly Violation[];
  readonly rejected: Tally;
  readonly events: Tally;
  readonly faults: Tally;
  readonly deadLetters: number;
  readonly recoveryMs: readonly number[];
  /** Where to look after a violation: directories, and the server, stopped. */
  readonly kept: readonly string[];
  /** The shared server holds what is to be looked at. */
  readonly keepsShared: boolean;
}

/** Runs cycles until there are enough, the time is over, or something is wrong. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioResult> {
  const { name } = scenario;
  const skipped = scenario.unavailable?.();
  if (skipped !== undefined) return nothing(name, skipped);
  const own =
    scenario.server === undefined ? undefined : await startPostgres({ settings: [...scenario.server] });
  const server = own ?? options.server;
  let arena: Arena | undefined;
  let violations: Violation[] = [];
  try {
    arena = await Arena.open({ ...options, name, server, seed: (options.seed ^ hash(name)) >>> 0 });
    const end = performance.now() + options.limitMs;
    let cycles = 0;
    while (cycles < options.cycles && violations.length === 0 && performance.now() < end) {
      try {
        await scenario.cycle(arena, cycles);
        violations = [...(await arena.finishCycle()), ...lettersLeft(scenario, arena)];
      } catch (error) {
        if (options.signal.aborted) break;
        const detail = (error as Error).message;
        violations = [...arena.complaints(), { kind: 'failed', item: 'the cycle', amount: 1, detail }];
      }
      cycles += 1;
      options.onCycle?.(cycles);
    }
    const kept = violations.length === 0 ? [] : [arena.dir, `${arena.dsn} (${server.command})`];
    const { operations, rejected, events, faults, deadLetters, recoveryMs } = arena;
    const counts = { operations, rejected, events, faults, deadLetters, recoveryMs };
    const keepsShared = own === undefined && violations.length > 0;
    return { name, skipped: undefined, cycles, violations, kept, keepsShared, ...counts };
  } finally {
    const keep = violations.length > 0;
    if (arena !== undefined) {
      await arena.killAll();
      scenario.close?.(arena, keep);
      if (!keep) arena.delete();
    }
    if (keep) await own?.stop();
    else await own?.destroy();
  }
}

function lettersLeft({ leavesDeadLetters }: Scenario, { deadLetters }: Arena): Violation[] {
  if (leavesDeadLetters === true || deadLetters === 0) return [];
  const detail = 'refused again when they were retried';
  return [{ kind: 'failed', item: `${deadLetters} dead letters`, amount: deadLetters, detail }];
}

function nothing(name: string, skipped: string): ScenarioResult {
  return {
    name,
    skipped,
    cycles: 0,
    operations: 0,
    violations: [],
    rejected: new Tally(),
    events: new Tally(),
    faults: new Tally(),
    deadLetters: 0,
    recoveryMs: [],
    kept: [],
    keepsShared: false,
  };
}

/** FNV-1a: each scenario has its own stream, whichever others run. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}
