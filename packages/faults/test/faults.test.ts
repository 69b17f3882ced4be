import { existsSync, rmSync } from 'node:fs';
import { type PostgresServer, startPostgres } from '@zmsg/testbed';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { formatSummary, formatViolations } from '../dist/report.js';
import { runScenario } from '../dist/run-scenario.js';
import { orderly } from '../dist/scenarios/orderly.js';
import { SCENARIOS } from '../dist/scenarios.js';

const SEED = 20_240_101;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ settings: ['fsync=off'] });
});
afterAll(() => server.destroy());

const options = ({ signal }: TestContext) => ({
  seed: SEED,
  cycles: 1,
  limitMs: 60_000,
  server,
  signal,
});

// They wait more than they compute.
for (const scenario of SCENARIOS) {
  test.concurrent(`${scenario.name}: nothing is lost or doubled (${scenario.title})`, {
    timeout: 120_000,
  }, async (context) => {
    const result = await runScenario(scenario, options(context));
    if (result.skipped !== undefined) return context.skip(result.skipped);
    expect(result.violations, formatViolations(result, SEED)).toEqual([]);
    // A process that is killed as it opens has acknowledged nothing.
    expect(result.operations + result.faults.size).toBeGreaterThan(0);
  });
}

test('a process that acknowledges what it did not write is caught, and its files are kept', async (context) => {
  const program = new URL('fixtures/lying-workload.mjs', import.meta.url);
  const result = await runScenario(orderly, { ...options(context), cycles: 3, program });
  expect(result.cycles).toBe(1);
  expect(result.violations.map(({ kind, item }) => `${kind} ${item}`)).toEqual([
    'lost i1.17',
    'double i1.42',
  ]);
  const [dir = ''] = result.kept;
  expect(existsSync(dir)).toBe(true);
  rmSync(dir, { recursive: true });
  expect(formatViolations(result, SEED)).toContain(`--seed ${SEED} --scenario orderly --cycles 1`);
  expect(formatSummary([result])).toMatch(/cycles 1 {2}acknowledged 100 {2}lost 1 {2}double 1$/);
});
