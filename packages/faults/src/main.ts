import { parseArgs } from 'node:util';
import { startPostgres } from '@zmsg/testbed';
import { formatSummary, formatViolations } from './report.js';
import { runScenario, type ScenarioResult } from './run-scenario.js';
import { SCENARIOS } from './scenarios.js';

const USAGE = `pnpm test:faults [--seed S] [--cycles N] [--scenario NAME,…] [--seconds N] [--list]

Runs the engine in processes of its own under faults, and compares what they were told with PostgreSQL.
  --seed S        replays the faults of a run that printed S
  --cycles N      cycles of each scenario, instead of its own number
  --scenario NAME only this one; several separated by commas
  --seconds N     no new cycle of a scenario after so long
  --list          the scenarios

Exit code 1: something was lost, doubled, or did not come back.`;

const EXIT_INTERRUPTED = 130;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    cycles: { type: 'string' },
    scenario: { type: 'string' },
    seconds: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (values.list) {
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length));
  for (const { name, title } of SCENARIOS) console.log(`${name.padEnd(width)}  ${title}`);
  process.exit(0);
}
const names = values.scenario?.split(',');
const unknown = names?.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown !== undefined) {
  console.error(`There is no scenario ${unknown}; --list names them.`);
  process.exit(2);
}
const seed = number('seed', values.seed) ?? Math.floor(Math.random() * 2 ** 32);
const cycles = number('cycles', values.cycles);
const seconds = number('seconds', values.seconds);

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(EXIT_INTERRUPTED);
    interrupt.abort(new Error('interrupted'));
  });
}

// What a cycle that was broken off had under way is of no interest any more.
process.exit(await runAll());

async function runAll(): Promise<number> {
  console.log(`seed ${seed}\n`);
  const server = await startPostgres({ settings: ['fsync=off'] });
  const results: ScenarioResult[] = [];
  let broken: Error | undefined;
  try {
    for (const scenario of SCENARIOS) {
      if (interrupt.signal.aborted || names?.includes(scenario.name) === false) continue;
      const result = await runScenario(scenario, {
        seed,
        cycles: cycles ?? (seconds === undefined ? scenario.cycles : Number.POSITIVE_INFINITY),
        limitMs: seconds === undefined ? Number.POSITIVE_INFINITY : seconds * 1000,
        server,
        signal: interrupt.signal,
        onCycle: (done) => {
          if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${scenario.name}: cycle ${done}`);
        },
      });
      if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
      results.push(result);
      if (result.violations.length > 0) console.log(`${formatViolations(result, seed)}\n`);
    }
    if (interrupt.signal.aborted) console.log('interrupted\n');
  } catch (error) {
    // The bench itself: a server that does not start, for one.
    broken = error as Error;
    console.error(broken);
  } finally {
    if (results.some(({ keepsShared }) => keepsShared)) await server.stop();
    else await server.destroy();
  }
  console.log(formatSummary(results));
  if (broken !== undefined || results.some(({ violations }) => violations.length > 0)) return 1;
  return interrupt.signal.aborted ? EXIT_INTERRUPTED : 0;
}

function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && text.trim() !== '') return value;
  console.error(`--${option} takes a whole number, not ${text}.`);
  process.exit(2);
}
