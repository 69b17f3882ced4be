import { availableParallelism } from 'node:os';
import { MAX_TIMER_MS, parseDuration } from '@zmsg/core/launch';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { appModuleUrl } from '../start/app-module.js';
import { runCluster } from '../start/run-cluster.js';
import { runThreads } from '../start/run-threads.js';

interface Flags {
  threads: number;
  cluster?: boolean;
  config?: string;
  stopTimeout: number;
  threadMemory?: number;
}

const MAX_COUNT = 256;
const MIN_MEMORY_MB = 16;
const MAX_MEMORY_MB = 2 ** 20;

const HELP = `
MODULE is an ECMAScript module (or CommonJS). Its top-level code runs in each thread, and then its default
export, if that is a function; when this has resolved, the thread is ready:

  import { attach } from '@zmsg/core';
  import { onStop, sharedListen } from '@zmsg/node';
  const zm = await attach();                                 // the engine, which all threads share
  server.listen(await sharedListen({ port: 3000 }));         // one port for all threads
  onStop(() => new Promise((done) => server.close(done)));   // what to finish before the end

A thread that crashes is started again, after 0.1 to 10 s; after five crashes in a row before it was ready the
others are stopped too. SIGTERM and SIGINT stop: onStop, then the engine flushes and closes; a second signal
ends at once. With --cluster each process has an engine of its own, with its log in data_dir/1, data_dir/2 and
so on; a SIGTERM to one of them restarts it. More in docs/threads.md.

Exit code 0: stopped, everything is in PostgreSQL. 1: it could not start. 3: stopped, something is left in the
log for the next start.`;

function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function timeout(text: string): number {
  let ms: number | undefined;
  try {
    ms = parseDuration(text, '--stop-timeout');
  } catch {
    // said below
  }
  if (ms !== undefined && ms <= MAX_TIMER_MS) return ms;
  throw new InvalidArgumentError('It must be a duration such as 500ms, 10s or 1m30s, at most 24d.');
}

/** Adds `zmsg-node start <MODULE> [ARGS...]`. */
export function addStart(program: Command): void {
  program
    .command('start')
    .description('run an application in several threads that share one engine, or in several processes')
    .argument('<MODULE>', 'file of the application')
    .argument(
      '[ARGS...]',
      'its arguments, process.argv from the third on; after -- if they begin with a dash',
    )
    .addOption(
      new Option('--threads <N>', 'threads, or processes')
        .argParser(wholeNumber(1, MAX_COUNT))
        .default(availableParallelism(), 'one for each core'),
    )
    .option('--cluster', 'processes instead of threads, each with an engine of its own')
    .option('--config <FILE>', 'YAML file of the engine; ZMSG_* variables win over it')
    .addOption(
      new Option('--stop-timeout <DURATION>', 'how long the application has to stop')
        .argParser(timeout)
        .default(10_000, '10s'),
    )
    .option(
      '--thread-memory <MB>',
      'heap of each thread or process; the limit of Node.js if not given',
      wholeNumber(MIN_MEMORY_MB, MAX_MEMORY_MB),
    )
    .addHelpText('after', HELP)
    .action(async (module: string, args: string[], flags: Flags) => {
      const run = flags.cluster === true ? runCluster : runThreads;
      process.exitCode = await run({
        moduleUrl: appModuleUrl(module),
        args,
        count: flags.threads,
        config: flags.config,
        stopTimeoutMs: flags.stopTimeout,
        memoryMb: flags.threadMemory,
      });
    });
}
