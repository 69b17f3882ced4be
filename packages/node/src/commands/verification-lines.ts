import type { LedgerFinding, NodeVerification, OtherLog } from '@zmsg/core/verify';
import { layOut } from '../demo/table.js';
import { printable } from './printable.js';

const MAX_FINDINGS = 50;
const MAX_OTHER_LOGS = 10;
const MAX_KEY_CHARS = 80;

/** The verification for people: figures first, what is wrong behind them, the verdict last. */
export function verificationLines(found: NodeVerification): string[] {
  const remarks = [...findingLines(found), ...problemLines(found), ...hintLines(found)];
  return [
    ...headLines(found),
    ...shardLines(found),
    ...otherLines(found),
    ...ledgerLines(found),
    ...(remarks.length > 0 ? ['', ...remarks] : []),
    '',
    verdict(found),
  ];
}

function headLines({ dataDir, runningPid, database, takenAtMs, log }: NodeVerification): string[] {
  const node =
    runningPid === undefined
      ? 'no process uses it'
      : `process ${runningPid} uses it: these are figures of one moment`;
  return [
    `directory  ${dataDir} (${node})`,
    `database   ${printable(database)}, as of ${new Date(takenAtMs).toISOString()}`,
    log === undefined
      ? 'log        none: an orderly close leaves none behind'
      : `log        ${log.logId}, ${log.shards.length} shards, since ${log.createdAt}`,
  ];
}

function shardLines({ log }: NodeVerification): string[] {
  if (log === undefined) return [];
  const rows = log.shards.map(({ shard, end, mark, epoch, pending }) => [
    String(shard),
    ...[end === 0 ? '-' : end, mark ?? 'no mark', epoch ?? '-', pending].map(String),
  ]);
  return [
    '',
    ...layOut([['shard', 'log reaches to', 'applied up to', 'epoch', 'pending'], ...rows]),
    '',
    `pending    ${counted(log.pending, 'operation')} in the log, not yet in PostgreSQL`,
  ];
}

function otherLines({ deadLetters, delayedWrites, otherLogs, otherLogCount }: NodeVerification): string[] {
  const lines: string[] = [];
  if (deadLetters !== undefined) {
    const hint = deadLetters === 0 ? '' : ' (`zmsg-node dead-letters list`)';
    lines.push(`refused    ${counted(deadLetters, 'dead letter')}${hint}`);
  }
  if (delayedWrites !== undefined) {
    lines.push(`delayed    ${counted(delayedWrites, 'write')} on record as applied`);
  }
  if (otherLogCount === 0) return lines;
  const shown = otherLogs.slice(0, MAX_OTHER_LOGS);
  lines.push(
    `others     ${counted(otherLogCount, 'log')} of other nodes, or forgotten; marks moved last:`,
    ...shown.map((log) => `             ${log.logId}, ${counted(log.shards, 'shard')}, ${ageOf(log)} ago`),
  );
  if (otherLogCount > shown.length) lines.push(`             and ${otherLogCount - shown.length} more`);
  return lines;
}

function ledgerLines({ ledger }: NodeVerification): string[] {
  if (ledger === undefined) return [];
  const { table, rows, balanced, missing, double, uncertain, invalid } = ledger;
  const shares = [
    `${balanced} balanced`,
    `${missing} missing`,
    `${double} double`,
    ...(uncertain === 0 ? [] : [`${uncertain} not comparable while something is pending`]),
    ...(invalid === 0 ? [] : [`${invalid} not comparable`]),
  ];
  return [`ledger     ${table}, ${counted(rows, 'row')}: ${shares.join(', ')}`];
}

function findingLines({ ledger }: NodeVerification): string[] {
  if (ledger === undefined) return [];
  const shown = ledger.findings.slice(0, MAX_FINDINGS);
  const more = ledger.rows - ledger.balanced - shown.length;
  const rest = more > 0 ? [`and ${more} more that do not balance (--json shows up to 1000)`] : [];
  return [...shown.map(findingLine), ...rest];
}

function findingLine(finding: LedgerFinding): string {
  const { kind, table, column, keyColumn, key, amount, reason } = finding;
  const name = `${short(table)}.${short(column)} where ${short(keyColumn)} = ${key === undefined ? 'NULL' : short(JSON.stringify(key))}`;
  const what =
    kind === 'uncertain' ? 'NOT COMPARABLE YET' : kind === 'invalid' ? 'NOT COMPARABLE' : kind.toUpperCase();
  if (amount === undefined) return `${what}  ${name}: ${short(reason ?? '', 300)}`;
  const { acknowledged, attempted, value, pending, deadLetters } = finding;
  const wanted = kind === 'missing' ? `acknowledged ${acknowledged}` : `attempted ${attempted}`;
  return `${what}  ${amount} of ${name}: ${wanted}, in PostgreSQL ${value}, in the log ${pending}, dead letters ${deadLetters}`;
}

function problemLines({ problems }: NodeVerification): string[] {
  return problems.map(({ kind, shard, message }) => {
    const place = shard === undefined ? '' : `shard ${shard}: `;
    return `${kind.toUpperCase()}  ${place}${printable(message)}`;
  });
}

/** What an operator may overlook before believing that something is lost. */
function hintLines({ ledger, otherLogCount }: NodeVerification): string[] {
  if (ledger === undefined || ledger.missing === 0 || otherLogCount === 0) return [];
  return ['What is missing may be pending in the log of another node, which is not read here.'];
}

function verdict({ isOk, problems, ledger, log }: NodeVerification): string {
  if (isOk && ledger === undefined) {
    return log === undefined ? 'Nothing is pending.' : 'Log and marks agree: nothing is damaged or missing.';
  }
  const uncertain = ledger?.uncertain ?? 0;
  if (isOk && uncertain === 0) return 'Nothing is missing, double or damaged.';
  if (isOk)
    return `Nothing wrong was found; ${counted(uncertain, 'row')} can be compared after the next flush.`;
  const parts = [
    [problems.length, 'problem of the log', 'problems of the log'],
    [ledger?.missing ?? 0, 'row lacks counts', 'rows lack counts'],
    [ledger?.double ?? 0, 'row has too many', 'rows have too many'],
    [ledger?.invalid ?? 0, 'row cannot be compared', 'rows cannot be compared'],
  ] as const;
  const wrong = parts.filter(([count]) => count > 0);
  return `WRONG: ${wrong.map(([count, one, many]) => `${count} ${count === 1 ? one : many}`).join(', ')}.`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function ageOf({ ageMs }: OtherLog): string {
  const seconds = Math.max(0, Math.round(ageMs / 1000));
  if (seconds < 120) return counted(seconds, 'second');
  if (seconds < 7200) return counted(Math.round(seconds / 60), 'minute');
  if (seconds < 172_800) return counted(Math.round(seconds / 3600), 'hour');
  return counted(Math.round(seconds / 86_400), 'day');
}

function short(text: string, maxChars: number = MAX_KEY_CHARS): string {
  const line = printable(text.replace(/\s+/g, ' '));
  return line.length <= maxChars ? line : `${line.slice(0, maxChars - 1)}…`;
}
