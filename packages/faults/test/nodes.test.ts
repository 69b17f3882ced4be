import { existsSync, rmSync } from 'node:fs';
import { expect, type TestContext, test } from 'vitest';
import { auditFleet } from '../dist/nodes/audit-fleet.js';
import { formatAudit } from '../dist/nodes/audit-report.js';
import { BOUND_MS } from '../dist/nodes/bound.js';

const SEED = 20_240_101;

const options = ({ signal }: TestContext) => ({
  seed: SEED,
  redis: 'single' as const,
  readRate: 1_000,
  writeRate: 40,
  rounds: 1,
  reads: 0,
  signal,
});

// They wait more than they compute.
test.concurrent('no read on any node is stale beyond the bound, or wrong, while everything breaks', {
  timeout: 480_000,
}, async (context) => {
  const result = await auditFleet({
    ...options(context),
    slots: 3,
    faultyMs: 6_000,
    quietMs: BOUND_MS + 500,
    boundMs: BOUND_MS,
  });
  const report = formatAudit(result, SEED, BOUND_MS);
  expect([...result.judge.findings, ...result.complaints], report).toEqual([]);
  expect(result.judge.total).toBeGreaterThan(0);
  expect(result.acknowledged).toBeGreaterThan(0);
  expect(result.faults.size).toBeGreaterThan(0);
});

test.concurrent('a node that is deaf is caught, and what it printed is kept', {
  timeout: 480_000,
}, async (context) => {
  const result = await auditFleet({
    ...options(context),
    slots: 2,
    faultyMs: 0,
    quietMs: 2_500,
    boundMs: 1_000,
    program: new URL('fixtures/deaf-node.mjs', import.meta.url),
  });
  const { stale, own, wrong } = result.judge.counts;
  expect(stale + own).toBeGreaterThan(0);
  expect(wrong).toBe(0);
  expect(result.judge.findings.every(({ detail }) => / of table:1\d* by node [01] /.test(detail))).toBe(true);
  expect(formatAudit(result, SEED, 1_000)).toMatch(/stale beyond the bound [1-9]\d* {2}wrong values 0$/m);
  expect(existsSync(result.kept as string)).toBe(true);
  rmSync(result.kept as string, { recursive: true });
});
