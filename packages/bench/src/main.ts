import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { withStage } from './stage.js';
import type { SuiteResult } from './suite.js';
import { builders } from './suites/builders.js';
import { cache } from './suites/cache.js';
import { counters } from './suites/counters.js';
import { flush } from './suites/flush.js';
import { reads } from './suites/reads.js';
import { recovery } from './suites/recovery.js';
import { statements } from './suites/statements.js';

const SUITES = [reads, cache, counters, flush, recovery, statements, builders];

const USAGE = `pnpm bench [--only NAME,…] [--quick] [--json FILE] [--postgres DSN] [--redis HOST:PORT]
Suites: ${SUITES.map((suite) => suite.name).join(', ')}`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    postgres: { type: 'string' },
    redis: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const only = values.only?.split(',');
const chosen = SUITES.filter((suite) => only?.includes(suite.name) ?? true);
if (values.help || chosen.length === 0) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

const rounds = values.quick
  ? { rounds: 2, roundMs: 100, quick: true }
  : { rounds: 5, roundMs: 1_000, quick: false };
const results: SuiteResult[] = [];
console.log(`Node.js ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}\n`);
await withStage({ postgres: values.postgres, redis: values.redis }, async (stage) => {
  for (const suite of chosen) {
    const result = await suite.run(stage, rounds);
    results.push(result);
    print(result);
  }
});
if (values.json !== undefined) {
  writeFileSync(values.json, JSON.stringify({ node: process.version, results }, null, 2));
}

function print({ title, figures, bars }: SuiteResult): void {
  console.log(title);
  const width = Math.max(
    ...figures.map((figure) => figure.name.length),
    ...bars.map((bar) => bar.name.length),
  );
  for (const { name, value, note = '' } of figures) {
    console.log(`  ${name.padEnd(width)}  ${value.padStart(18)}  ${note}`.trimEnd());
  }
  for (const { name, target, measured, met } of bars) {
    console.log(`  ${name.padEnd(width)}  ${measured.padStart(18)}  ${met ? 'reaches' : 'MISSES'} ${target}`);
  }
  console.log();
}
