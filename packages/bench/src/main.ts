import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { withStage } from './stage.js';
import type { LocalSuite, Suite, SuiteResult } from './suite.js';
import { builders } from './suites/builders.js';
import { cache } from './suites/cache.js';
import { coherence } from './suites/coherence.js';
import { counters } from './suites/counters.js';
import { flush } from './suites/flush.js';
import { hitRatio } from './suites/hit-ratio.js';
import { ids } from './suites/ids.js';
import { reads } from './suites/reads.js';
import { recovery } from './suites/recovery.js';
import { statements } from './suites/statements.js';
import { threads } from './suites/threads.js';

const USAGE = `pnpm bench [--only NAME,…] [--quick] [--json FILE] [--postgres DSN] [--redis HOST:PORT]
       [--trace FILE …] [--rooms ENTRIES,…] [--accesses N]   (of hit-ratio)
Suites: `;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    postgres: { type: 'string' },
    redis: { type: 'string' },
    trace: { type: 'string', multiple: true, default: [] },
    rooms: { type: 'string', default: '256,1024,4096' },
    accesses: { type: 'string', default: '1000000' },
    help: { type: 'boolean', default: false },
  },
});
const SUITES: readonly (Suite | LocalSuite)[] = [
  hitRatio({
    traces: values.trace,
    rooms: values.rooms.split(',').map((room) => wholeNumber('rooms', room)),
    accesses: wholeNumber('accesses', values.accesses),
  }),
  reads,
  cache,
  coherence,
  threads,
  counters,
  flush,
  recovery,
  statements,
  builders,
  ids,
];
const only = values.only?.split(',');
const chosen = SUITES.filter((suite) => only?.includes(suite.name) ?? true);
if (values.help || chosen.length === 0) {
  console.log(USAGE + SUITES.map((suite) => suite.name).join(', '));
  process.exit(values.help ? 0 : 2);
}

const rounds = values.quick
  ? { rounds: 2, roundMs: 100, quick: true }
  : { rounds: 5, roundMs: 1_000, quick: false };
const results: SuiteResult[] = [];
console.log(`Node.js ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}\n`);
for (const suite of chosen) if ('runLocally' in suite) report(await suite.runLocally(rounds));
const served = chosen.filter((suite) => 'run' in suite);
if (served.length > 0) {
  await withStage({ postgres: values.postgres, redis: values.redis }, async (stage) => {
    for (const suite of served) report(await suite.run(stage, rounds));
  });
}
if (values.json !== undefined) {
  writeFileSync(values.json, JSON.stringify({ node: process.version, results }, null, 2));
}

function report(result: SuiteResult): void {
  results.push(result);
  print(result);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`--${option} must be a whole number above zero, it is ${text}`);
  process.exit(2);
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
