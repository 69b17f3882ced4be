import { readFileSync } from 'node:fs';
import { type AuditReport, auditFleet } from '@zmsg/core/audit';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { auditLines } from './audit-lines.js';
import { printableJson } from './printable.js';

interface Flags {
  config?: string;
  key: string[];
  keysFile?: string;
  samples: number;
  seconds: number;
  rate: number;
  bound: number;
  follow: number;
  timeout: number;
  exact: string[];
  json?: boolean;
}

const HELP = `
Needs redis_addr and postgres_dsn, by --config or ZMSG_… in the environment, as the nodes have them. Writes nothing,
takes no lock, and may be stopped at any moment: no node waits for it. What is found stale is looked at again, and
followed until it is gone or for --follow; its age is that between the first and the last such look, so at least that.

Exit code 0: nothing was stale for longer than --bound. 1: something was. 2: wrong usage, or no connection.
What is compared with what: docs/audit.md.`;

const STALE = 1;
const FAILED = 2;

/** Adds `zmsg-node audit`. */
export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description('hold the caches of all running nodes against PostgreSQL: how consistent are they?')
    .option('--config <FILE>', 'YAML file of the engines')
    .option('--key <KEY>', 'a key to look at first; may be repeated', collect, [])
    .option('--keys-file <FILE>', 'keys to look at first, one a line')
    .addOption(number('--samples <N>', 'keys to be drawn at random', 1_000, 0))
    .addOption(number('--seconds <S>', 'longest time in which keys are drawn', 30, 0))
    .addOption(number('--rate <N>', 'most looks at a key per second', 200, 1))
    .addOption(number('--bound <MS>', 'what is stale for longer is an inconsistency', 4_000, 1))
    .addOption(number('--follow <S>', 'longest time that a stale copy is followed', 10, 0))
    .addOption(number('--timeout <MS>', 'longest wait for the answer of a node', 2_000, 1))
    .option(
      '--exact <PREFIX>',
      'these keys are cached as their loader builds them; may be repeated',
      collect,
      [],
    )
    .option('--json', 'machine-readable')
    .addHelpText('after', HELP)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : FAILED));
  command.action(async (flags: Flags) => {
    let report: AuditReport;
    try {
      report = await audit(flags);
    } catch (error) {
      // The errors of zmsg are written for people and hold no secrets.
      console.error(`zmsg-node: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = FAILED;
      return;
    }
    console.log(
      printableJson(
        flags.json === true ? JSON.stringify(report, undefined, 2) : auditLines(report).join('\n'),
      ),
    );
    if (!report.isConsistent) process.exitCode = STALE;
  });
}

async function audit(flags: Flags): Promise<AuditReport> {
  const { config, key, keysFile, samples, seconds, rate, bound, follow, timeout, exact } = flags;
  const listed = keysFile === undefined ? [] : readFileSync(keysFile, 'utf8').split(/\r?\n/);
  return auditFleet({
    config,
    keys: [...key, ...listed.filter((line) => line !== '')],
    samples,
    samplingMs: seconds * 1_000,
    rate,
    boundMs: bound,
    followMs: Math.max(1, follow * 1_000),
    timeoutMs: timeout,
    exactPrefixes: exact,
  });
}

function number(flags: string, description: string, value: number, min: number): Option {
  return new Option(flags, description).default(value).argParser((text) => {
    const given = text.trim() === '' ? Number.NaN : Number(text);
    if (!(given >= min)) throw new InvalidArgumentError(`It is a number from ${min} on.`);
    return given;
  });
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
