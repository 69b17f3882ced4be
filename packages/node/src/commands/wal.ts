import { adoptWal, cutWal, inspectLog, type LogInspection, walDir } from '@zmsg/core/wal';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { layOut } from '../demo/table.js';

interface AdoptFlags {
  postgres?: string;
  config?: string;
  force?: boolean;
}

interface WalFlags {
  config?: string;
  json?: boolean;
}

/** Adds `zmsg-node wal`: what an operator needs when the write-ahead log is in question. */
export function addWal(program: Command): void {
  const wal = program.command('wal').description('look at the write-ahead log, and cut damage off');
  addInspection(wal, 'list', 'list the segments of every shard').action(
    (dir: string | undefined, flags: WalFlags) => {
      const log = open(dir, flags);
      print(flags, log, listLines(log));
    },
  );
  addInspection(wal, 'check', 'read all of it; exit code 1 if something is damaged').action(
    (dir: string | undefined, flags: WalFlags) => {
      const log = open(dir, flags);
      const damages = findDamages(log);
      print(flags, log, checkLines(log, damages));
      if (damages.length > 0) process.exitCode = 1;
    },
  );
  wal
    .command('cut')
    .description('end the log of a shard before OFFSET of a segment; what lies behind is kept in .cut files')
    .argument('<FILE>', 'segment: DIR/wal/SHARD/NAME.seg')
    .argument('<OFFSET>', 'where `wal check` found the damage', parseOffset)
    .addHelpText('after', '\nOperations behind OFFSET that PostgreSQL does not have yet are lost to it.')
    .action((file: string, offset: number) => {
      const { discarded, files } = cutWal(file, offset);
      for (const cut of files) console.log(`moved to ${cut}`);
      console.log(`${discarded} readable operations discarded`);
    });
  addAdoption(wal);
}

function addAdoption(wal: Command): void {
  wal
    .command('adopt')
    .description('apply the log of a node that is no more to PostgreSQL, once, and delete it')
    .argument('<DIR>', 'data directory of that node')
    .addOption(new Option('--postgres <DSN>', 'database; wins over ZMSG_POSTGRES_DSN').conflicts('config'))
    .addOption(new Option('--config <FILE>', 'YAML file of the engine'))
    .option('--force', 'also while a process owns the directory: it is fenced, and the log is kept')
    .action(async (dir: string, { postgres, config, force }: AdoptFlags) => {
      const { ZMSG_POSTGRES_DSN, ...env } = process.env;
      const operations = await adoptWal({
        dataDir: dir,
        config: postgres === undefined ? config : { postgresDsn: postgres },
        env: postgres === undefined ? { ...env, ZMSG_POSTGRES_DSN } : env,
        force,
      });
      console.log(`${operations} operations applied`);
    });
}

function addInspection(wal: Command, name: string, description: string): Command {
  return wal
    .command(name)
    .description(description)
    .argument('[DIR]', 'data directory; without it that of --config or of the environment')
    .option('--config <FILE>', 'YAML file of the engine')
    .option('--json', 'machine-readable');
}

function open(dataDir: string | undefined, { config }: WalFlags): LogInspection {
  const log = inspectLog(walDir({ dataDir, config }));
  if (log.layout === undefined && log.fault === undefined) throw new Error(`there is no log in ${log.dir}`);
  return log;
}

function print({ json }: WalFlags, log: LogInspection, lines: readonly string[]): void {
  console.log(json ? JSON.stringify(log, undefined, 2) : lines.join('\n'));
}

function listLines(log: LogInspection): string[] {
  const rows = [['file', 'shard', 'run', 'bytes', 'first', 'last', 'operations', 'state']];
  for (const { shard, segments } of log.shards) {
    for (const { file, run, bytes, first, last, operations, state } of segments) {
      rows.push([file, ...[shard, run ?? '', bytes, first ?? '', last ?? '', operations, state].map(String)]);
    }
  }
  return [heading(log), ...layOut(rows, ''), ...faultLines(log)];
}

function checkLines(log: LogInspection, damages: readonly string[]): string[] {
  const segments = log.shards.flatMap((shard) => shard.segments);
  const torn = segments.filter(({ state }) => state === 'torn');
  const operations = segments.reduce((sum, segment) => sum + segment.operations, 0);
  const verdict = damages.length === 0 ? 'nothing is damaged' : `damaged in ${damages.length} places`;
  return [
    heading(log),
    ...torn.map(
      ({ file, offset, reason }) => `torn     ${file} at ${offset}: ${reason}; it is cut at the next start`,
    ),
    ...damages.map((damage) => `corrupt  ${damage}`),
    `${operations} operations in ${segments.length} segments: ${verdict}`,
  ];
}

function findDamages(log: LogInspection): string[] {
  const corrupt = log.shards
    .flatMap(({ segments }) => segments)
    .filter(({ state }) => state === 'corrupt')
    .map(({ file, offset, reason }) => `${file} at ${offset}: ${reason}`);
  return [...faultLines(log), ...corrupt];
}

function faultLines({ fault, shards }: LogInspection): string[] {
  const faults = shards.flatMap(({ shard, fault }) =>
    fault === undefined ? [] : [`shard ${shard}: ${fault}`],
  );
  return fault === undefined ? faults : [fault, ...faults];
}

function heading({ dir, layout }: LogInspection): string {
  if (layout === undefined) return dir;
  return `${dir}: log ${layout.logId}, ${layout.shards} shards, since ${layout.createdAt}`;
}

function parseOffset(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It is a number of bytes.');
  return Number(text);
}
