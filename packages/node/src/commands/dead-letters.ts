import {
  type DeadLetter,
  type DeadLetterDetails,
  type DeadLettersView,
  type RetryOutcome,
  withDeadLetters,
} from '@zmsg/core/dead-letters';
import { type Command, Option } from 'commander';
import { printable, printableJson } from './printable.js';

interface Flags {
  postgres?: string;
  config?: string;
  json?: boolean;
  all?: boolean;
  limit?: string;
  after?: string;
}

const PAGE = 1000;
const MAX_CELL = 60;

/**
 * Adds `zmsg-node dead-letters list|show|retry|discard`. Exit code 1 on any error, and when `show` finds
 * nothing or something that was to be retried or discarded is still there or was not found.
 */
export function addDeadLetters(program: Command): void {
  const letters = program
    .command('dead-letters')
    .description('periodic writes that PostgreSQL refused for good');
  add(letters.command('list'), 'the oldest first, one per line')
    .option('--limit <N>', 'at most this many, 1 to 1000', '100')
    .option('--after <ID>', 'only those behind this one')
    .action((flags: Flags) => run(flags, (view) => list(view, flags)));
  add(letters.command('show'), 'all of one, with its values')
    .argument('<ID>')
    .action((id: string, flags: Flags) => run(flags, (view) => show(view, id, flags)));
  add(letters.command('retry'), 'run them again, each once')
    .argument('[IDS...]')
    .option('--all', 'every one that is there now')
    .action((ids: string[], flags: Flags) => run(flags, (view) => retry(view, ids, flags)));
  add(letters.command('discard'), 'delete them for good')
    .argument('[IDS...]')
    .option('--all', 'every one that is there now')
    .action((ids: string[], flags: Flags) => run(flags, (view) => discard(view, ids, flags)));
}

function add(command: Command, description: string): Command {
  return command
    .description(description)
    .addOption(new Option('--postgres <DSN>', 'database; wins over ZMSG_POSTGRES_DSN').conflicts('config'))
    .addOption(new Option('--config <FILE>', 'YAML file of the engine'))
    .option('--json', 'as JSON');
}

function run(flags: Flags, body: (view: DeadLettersView) => Promise<void>): Promise<void> {
  const { ZMSG_POSTGRES_DSN, ...env } = process.env;
  return withDeadLetters(
    {
      config: flags.postgres === undefined ? flags.config : { postgresDsn: flags.postgres },
      env: flags.postgres === undefined ? { ...env, ZMSG_POSTGRES_DSN } : env,
    },
    body,
  );
}

async function list(view: DeadLettersView, { limit, after, json }: Flags): Promise<void> {
  const letters = await view.list({ limit: Number(limit), ...(after === undefined ? {} : { after }) });
  if (json === true) {
    console.log(toJson(letters));
    return;
  }
  const count = await view.count();
  if (letters.length > 0) {
    console.log(tableOf(['ID', 'FAILED', 'TRIES', 'OPS', 'TASK', 'STATE', 'ERROR'], letters.map(rowOf)));
  }
  console.log(`${letters.length} of ${count} dead letters`);
}

async function show(view: DeadLettersView, id: string, { json }: Flags): Promise<void> {
  const letter = await view.get(id);
  if (letter === undefined) throw new Error(`there is no dead letter ${id}`);
  console.log(json === true ? toJson(letter) : describe(letter));
}

async function retry(view: DeadLettersView, given: readonly string[], flags: Flags): Promise<void> {
  const outcomes: RetryOutcome[] = [];
  for (const id of await chosen(view, given, flags)) {
    const [outcome] = (await view.retry(id)) as [RetryOutcome];
    outcomes.push(outcome);
    if (flags.json !== true) console.log(`${id}: ${words(outcome)}`);
  }
  if (flags.json === true) console.log(toJson(outcomes));
  else if (outcomes.length === 0) console.log('nothing to retry');
  if (outcomes.some(({ outcome }) => outcome !== 'applied')) process.exitCode = 1;
}

async function discard(view: DeadLettersView, given: readonly string[], flags: Flags): Promise<void> {
  const ids = await chosen(view, given, flags);
  const discarded = await view.discard(ids);
  console.log(flags.json === true ? toJson({ discarded }) : `${discarded} discarded`);
  if (discarded < new Set(ids).size) process.exitCode = 1;
}

/** Those given, or with `--all` those that are there now. */
async function chosen(view: DeadLettersView, ids: readonly string[], { all }: Flags): Promise<string[]> {
  if ((all === true) === ids.length > 0) throw new Error('give ids, or --all');
  if (all !== true) return [...ids];
  const every: string[] = [];
  for (;;) {
    const after = every.at(-1);
    const page = await view.list({ limit: PAGE, ...(after === undefined ? {} : { after }) });
    every.push(...page.map(({ id }) => id));
    if (page.length < PAGE) return every;
  }
}

function words(outcome: RetryOutcome): string {
  switch (outcome.outcome) {
    case 'applied':
      return outcome.rowCount === 0 ? 'applied, no row matched' : 'applied';
    case 'refused':
      return `refused again: ${oneLine(outcome.error)} (${outcome.sqlState})`;
    case 'not runnable':
      return 'has nothing to run: see `show`, then discard it';
    default:
      return 'not there, or another retry is at it';
  }
}

function rowOf(letter: DeadLetter): string[] {
  const { id, kind, table, column, text, lastFailedAtMs, attempts, operations, sqlState, error } = letter;
  const task = kind === 'content' ? (text ?? '') : `${kind} ${table}.${column} ${letter.where ?? ''}`;
  const when = new Date(lastFailedAtMs).toISOString().slice(0, 19);
  return [id, when, String(attempts), String(operations), cell(task), sqlState ?? '-', cell(error)];
}

function describe(letter: DeadLetterDetails): string {
  const { firstFailedAtMs, lastFailedAtMs, statements, ...fields } = letter;
  const lines = Object.entries({
    ...fields,
    firstFailedAt: new Date(firstFailedAtMs).toISOString(),
    lastFailedAt: new Date(lastFailedAtMs).toISOString(),
  })
    .filter(([name, value]) => value !== undefined && name !== 'text')
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? printable(value) : toJson(value, 0)}`);
  for (const { text, values } of statements) lines.push('', printable(text.trim()), toJson(values, 0));
  return lines.join('\n');
}

function tableOf(head: readonly string[], rows: readonly string[][]): string {
  const all = [[...head], ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => (row[i] as string).length)));
  return all
    .map((row) =>
      row
        .map((text, i) => text.padEnd(widths[i] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cell(text: string): string {
  const line = oneLine(text);
  return line.length <= MAX_CELL ? line : `${line.slice(0, MAX_CELL - 1)}…`;
}

function oneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim());
}

function toJson(value: unknown, indent = 2): string {
  const text = JSON.stringify(
    value,
    (_, each: unknown) => {
      if (typeof each === 'bigint') return each.toString();
      const { type, data } = (each ?? {}) as { type?: unknown; data?: unknown };
      return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data).toString('base64') : each;
    },
    indent,
  );
  return printableJson(text);
}
