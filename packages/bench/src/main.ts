import { parseArgs } from 'node:util';
import { compare, comparisonText, isWorse } from './compare.js';
import { describeMachine } from './machine.js';
import { barsText, machineText, suiteText } from './print.js';
import { type BenchRun, SCHEMA, type SuiteResult } from './result.js';
import { checkRun } from './run-check.js';
import { RunFileError, readRun, writeRun } from './run-file.js';
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
import { scale } from './suites/scale.js';
import { statements } from './suites/statements.js';
import { threads } from './suites/threads.js';
import { WORKLOAD_NAMES, workloads } from './suites/workloads.js';
import { writes } from './suites/writes.js';

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

Exit code 1: a suite failed, or a figure is no number; with --compare, a ratio has become worse or is no number any more.
Exit code 2: wrong arguments, or a file that is none of this benchmark.

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
  writes,
  cache,
  coherence,
  threads,
  counters,
  flush,
  recovery,
  statements,
  scale,
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
const older = values.compare === undefined ? undefined : runOf(values.compare);

const newer = values.results === undefined ? await measure() : runOf(values.results);
if (values.results === undefined) tellHoles(newer);
if (older !== undefined) {
  const comparison = compare(older, newer);
  console.log(comparisonText(comparison));
  if (isWorse(comparison)) process.exitCode = 1;
}

async function measure(): Promise<BenchRun> {
  const { quick } = values;
  const options = quick
    ? { rounds: 2, roundMs: 100, samples: 1, quick }
    : { rounds: 5, roundMs: 1_000, quick };
  const suites: SuiteResult[] = [];
  const machine = describeMachine();
  const run: BenchRun = { schema: SCHEMA, machine, quick, suites };
  /** A suite that fails costs its own figures, not those of half an hour before it. */
  const take = async (name: string, measuring: Promise<SuiteResult>) => {
    try {
      const result = await measuring;
      suites.push(result);
      console.log(suiteText(result));
    } catch (error) {
      console.error(`${name} failed:`, error, '\n');
      process.exitCode = 1;
    }
    if (values.json !== undefined) writeRun(values.json, run);
  };
  console.log(`${machineText(machine)}\n`);
  const chosen = SUITES.filter((suite) => only?.includes(suite.name) ?? true);
  for (const suite of chosen) if ('runLocally' in suite) await take(suite.name, suite.runLocally(options));
  const served = chosen.filter((suite) => 'run' in suite);
  if (served.length > 0) {
    await withStage({ postgres: values.postgres, redis: values.redis, quick }, async (stage) => {
      for (const suite of served) await take(suite.name, suite.run(stage, options));
    });
  }
  const bars = suites.flatMap((suite) => suite.bars ?? []);
  if (chosen.length > 1 && bars.length > 0) console.log(`All bars\n${barsText(bars)}\n`);
  return run;
}

function runOf(file: string): BenchRun {
  try {
    return readRun(file);
  } catch (error) {
    if (!(error instanceof RunFileError)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

/** NaN and Infinity become null in a file, and a dash in a report: here is who made them. */
function tellHoles(run: BenchRun): void {
  const { holes } = checkRun(run);
  if (holes.length === 0) return;
  console.error(`No number came out for:\n${holes.map((hole) => `  ${hole}`).join('\n')}`);
  process.exitCode = 1;
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
