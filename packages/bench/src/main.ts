import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compare, comparisonText } from './compare.js';
import { describeMachine } from './machine.js';
import { barsText, machineText, suiteText } from './print.js';
import { type BenchRun, SCHEMA, type SuiteResult } from './result.js';
import { withStage } from './stage.js';
import type { LocalSuite, Suite } from './suite.js';
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
import { WORKLOAD_NAMES, workloads } from './suites/workloads.js';

const USAGE = `pnpm bench [--only NAME,…] [--quick] [--json FILE] [--compare OLD.json] [--postgres DSN] [--redis HOST:PORT]

Measures every operation beside what a user would pick instead, in turns, on real servers.
  --only NAME,…       these suites
  --quick             little data and short rounds: finds out whether everything runs
  --json FILE         the figures, for pnpm report, pnpm analyse and --compare
  --compare OLD.json  says which ratios have become worse, beyond noise
  --results NEW.json  with --compare: of this run, instead of measuring
  --postgres DSN, --redis HOST:PORT   instead of servers of its own
  --trace FILE …      traces to play, instead of generated loads
  --rooms ENTRIES,…   of hit-ratio: entries that fit            (256,1024,4096)
  --accesses N        of hit-ratio: only the beginning is played (1000000)
  --workload NAME,…   of workloads: only these                  (${WORKLOAD_NAMES.join(',')})

Exit code 1: with --compare, a ratio has become worse.

Suites: `;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    compare: { type: 'string' },
    results: { type: 'string' },
    postgres: { type: 'string' },
    redis: { type: 'string' },
    trace: { type: 'string', multiple: true, default: [] },
    rooms: { type: 'string', default: '256,1024,4096' },
    accesses: { type: 'string', default: '1000000' },
    workload: { type: 'string' },
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
  workloads({
    workloads:
      values.workload === undefined ? undefined : namesOf('workload', values.workload, WORKLOAD_NAMES),
    traces: values.trace,
    postgres: values.postgres,
    redis: values.redis,
  }),
];
const only = values.only?.split(',');
const unknown = only?.filter((name) => !SUITES.some((suite) => suite.name === name)) ?? [];
if (values.help || unknown.length > 0 || (values.results !== undefined && values.compare === undefined)) {
  if (unknown.length > 0) console.error(`There is no suite ${unknown.join(', ')}.`);
  if (values.results !== undefined && values.compare === undefined)
    console.error('--results needs --compare');
  console.log(USAGE + SUITES.map((suite) => suite.name).join(', '));
  process.exit(values.help ? 0 : 2);
}
// Before an hour of measuring, not after it.
const older = values.compare === undefined ? undefined : readRun(values.compare);

const newer = values.results === undefined ? await measure() : readRun(values.results);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(newer, null, 2)}\n`);
if (older !== undefined) {
  const comparison = compare(older, newer);
  console.log(comparisonText(comparison));
  if (comparison.regressions.length > 0) process.exitCode = 1;
}

async function measure(): Promise<BenchRun> {
  const { quick } = values;
  const options = quick ? { rounds: 2, roundMs: 100, quick } : { rounds: 5, roundMs: 1_000, quick };
  const suites: SuiteResult[] = [];
  const report = (result: SuiteResult) => {
    suites.push(result);
    console.log(suiteText(result));
  };
  const machine = describeMachine();
  console.log(`${machineText(machine)}\n`);
  const chosen = SUITES.filter((suite) => only?.includes(suite.name) ?? true);
  for (const suite of chosen) if ('runLocally' in suite) report(await suite.runLocally(options));
  const served = chosen.filter((suite) => 'run' in suite);
  if (served.length > 0) {
    await withStage({ postgres: values.postgres, redis: values.redis }, async (stage) => {
      for (const suite of served) report(await suite.run(stage, options));
    });
  }
  const bars = suites.flatMap((suite) => suite.bars ?? []);
  if (chosen.length > 1 && bars.length > 0) console.log(`All bars\n${barsText(bars)}\n`);
  return { schema: SCHEMA, machine, quick, suites };
}

function readRun(file: string): BenchRun {
  try {
    const run = JSON.parse(readFileSync(file, 'utf8')) as Partial<BenchRun>;
    if (run.schema !== SCHEMA) throw new Error(`its schema is ${run.schema}, not ${SCHEMA}`);
    return run as BenchRun;
  } catch (error) {
    console.error(`${file} holds no figures of this benchmark: ${(error as Error).message}`);
    process.exit(2);
  }
}

function namesOf(option: string, text: string, known: readonly string[]): string[] {
  const names = text.split(',');
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return names;
  console.error(`--${option} ${unknown.join()} is none of ${known.join()}`);
  process.exit(2);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`--${option} must be a whole number above zero, it is ${text}`);
  process.exit(2);
}
