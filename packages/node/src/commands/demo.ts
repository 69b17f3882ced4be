import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_SECONDS, type DemoOptions } from '../demo/demo-options.js';
import { paintFor } from '../demo/paint.js';
import { progressOn } from '../demo/progress.js';
import { formatReport } from '../demo/report.js';
import { describeRun, runDemo } from '../demo/run-demo.js';

/** Named by options of the demo; the engine would let the environment win over them. */
const OWN_VARIABLES = ['ZMSG_POSTGRES_DSN', 'ZMSG_REDIS_ADDR', 'ZMSG_DATA_DIR'] as const;

/** Adds `zmsg-node demo`. Exit code 1 when the check fails, 130 at a second Ctrl-C. */
export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run a social feed under load and check that every write is in PostgreSQL exactly once')
    .addOption(count('--users <n>', 'users of the feed', 10_000, 1, 10_000_000))
    .addOption(
      count('--posts <n>', 'posts that exist at the start', 20_000, 1, 10_000_000).conflicts('trace'),
    )
    .addOption(
      new Option(
        '--seconds <s>',
        `length of the load (default: ${DEFAULT_SECONDS}, or the whole trace)`,
      ).argParser(
        number('a number of seconds from 0.1 to 86400', (value) => value >= 0.1 && value <= 86_400),
      ),
    )
    .addOption(
      new Option(
        '--trace <file>',
        'replay an access trace: 32-bit big-endian keys, as they are or in xz',
      ).argParser(readableFile),
    )
    .addOption(count('--concurrency <n>', 'requests in flight', 256, 1, 100_000))
    .addOption(
      new Option('--skew <s>', 'exponent of Zipf’s law; 0: all posts are alike')
        .default(0.99)
        .argParser(number('a number from 0 to 10', (value) => value >= 0 && value <= 10)),
    )
    .addOption(count('--seed <n>', 'of the generated load', 1, 0, 2 ** 32 - 1))
    .addOption(
      new Option('--postgres <dsn>', 'real PostgreSQL; its tables zmsg_demo_* are made anew')
        .env('ZMSG_POSTGRES_DSN')
        .argParser(postgresUrl),
    )
    .addOption(
      new Option('--redis <addr>', 'real Redis as L2: host:port or redis://…').env('ZMSG_REDIS_ADDR'),
    )
    .addOption(
      new Option(
        '--data-dir <dir>',
        'keep the embedded PostgreSQL here (default: a temporary directory, deleted afterwards)',
      ).env('ZMSG_DATA_DIR'),
    )
    .addOption(new Option('--json <file>', 'write the results for machines here').argParser(writableFile))
    .action(demo);
}

async function demo(options: DemoOptions): Promise<void> {
  for (const name of OWN_VARIABLES) delete process.env[name];
  const output = process.stdout;
  const paint = paintFor(output, process.env);
  const title = 'zmsg demo: a social feed under load';
  const facts = describeRun(options).map(
    ([name = '', value]) => `  ${paint('dim', name.padEnd(12))}${value}`,
  );
  output.write(`\n${[paint('bold', title), ...facts].join('\n')}\n\n`);

  const results = await runDemo(options, progressOn(output, paint));
  output.write(`${formatReport(results, paint, output.isTTY ? output.columns : Infinity)}\n`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  if (!results.passed) process.exitCode = 1;
}

function count(flags: string, description: string, byDefault: number, min: number, max: number): Option {
  const isAllowed = (value: number) => Number.isInteger(value) && value >= min && value <= max;
  return new Option(flags, description)
    .default(byDefault)
    .argParser(number(`a whole number from ${min} to ${max}`, isAllowed));
}

function number(allowed: string, isAllowed: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!isAllowed(value)) throw new InvalidArgumentError(`It must be ${allowed}.`);
    return value;
  };
}

function postgresUrl(text: string): string {
  if (!/^postgres(ql)?:\/\/./.test(text)) throw new InvalidArgumentError('It must begin with postgresql://.');
  return text;
}

function readableFile(path: string): string {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidArgumentError(
      code === 'ENOENT' ? 'There is no such file.' : `It cannot be read (${code}).`,
    );
  }
  if (!statSync(path).isFile()) throw new InvalidArgumentError('It is not a file.');
  return path;
}

/** Said before the run rather than after it. */
function writableFile(path: string): string {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidArgumentError(`Its directory cannot be written to (${code}).`);
  }
  return path;
}
