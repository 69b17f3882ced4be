import type { AuditedNode, AuditReport, Reference, StaleCopy } from '@zmsg/core/audit';
import { layOut } from '../demo/table.js';
import { printable } from './printable.js';

const MAX_FINDINGS = 50;
const MAX_KEY_CHARS = 60;

const AGAINST: Readonly<Record<Reference, string>> = {
  database: 'PostgreSQL has another value',
  L2: 'L2 has another value',
  copies: 'other nodes have another value',
  nothing: 'neither L2 nor PostgreSQL has the key',
};

/** The audit for people: figures first, what was stale behind them, the verdict last. */
export function auditLines(report: AuditReport): string[] {
  return [
    ...headLines(report),
    '',
    ...nodeLines(report),
    '',
    ...shareLines(report),
    ...remarkLines(report),
    ...findingLines(report),
    '',
    verdict(report),
  ];
}

function headLines({ startedAtMs, durationMs, sampled, nodes }: AuditReport): string[] {
  return [
    `audit       from ${new Date(startedAtMs).toISOString()}, ${duration(durationMs)}, ${counted(nodes.length, 'node')}`,
    `sampled     ${counted(sampled, 'key')}`,
  ];
}

function nodeLines({ nodes, l2 }: AuditReport): string[] {
  const rows = nodes.map((node) => [
    nodeName(node),
    String(node.compared),
    String(node.stale),
    `${node.answered} of ${node.asked}`,
  ]);
  return layOut([
    ['copies at', 'compared', 'stale', 'looks answered'],
    ...rows,
    ['L2 (Redis)', String(l2.compared), String(l2.stale), ''],
  ]);
}

function shareLines({
  compared,
  consistent,
  comparedWith,
  inFlight,
  stale,
  ...report
}: AuditReport): string[] {
  const { database, L2, copies, nothing } = comparedWith;
  const held = [
    `${database} with PostgreSQL`,
    `${L2} with L2`,
    ...(copies === 0 ? [] : [`${copies} with each other`]),
    ...(nothing === 0 ? [] : [`${nothing} of keys that only L1 has`]),
  ];
  const share = compared === 0 ? 'nothing was compared' : percent(consistent, compared);
  return [
    `compared    ${counted(compared, 'copy', 'copies')}: ${held.join(', ')}`,
    `consistent  ${share} (${consistent} of ${compared})`,
    `stale       ${stale}, of these ${report.staleBeyondBound} for longer than ${duration(report.boundMs)}`,
    `in flight   ${inFlight} (different at first, gone at the second look)`,
  ];
}

function remarkLines({
  nodes,
  ahead,
  alone,
  unlike,
  unlikeKeys,
  unloaded,
  unfollowed,
}: AuditReport): string[] {
  const lines: string[] = [];
  if (ahead > 0) lines.push(`ahead       ${ahead}: PostgreSQL came to have what was cached`);
  if (alone > 0)
    lines.push(`alone       ${counted(alone, 'key')} with one copy and no row: nothing to compare with`);
  if (unlike > 0) {
    const names = unlikeKeys.map((key) => short(key)).join(', ');
    const more = unlike > unlikeKeys.length ? ', …' : '';
    lines.push(
      `unlike      ${counted(unlike, 'key')} cached alike everywhere, but not as the loader builds it: ${names}${more}`,
      '            (so the application may want it; if not: --exact PREFIX)',
    );
  }
  if (unloaded > 0)
    lines.push(`not loaded  ${counted(unloaded, 'key')}: no node could tell what PostgreSQL has`);
  if (unfollowed > 0) lines.push(`not followed ${counted(unfollowed, 'key')}: too many differed at one time`);
  for (const node of nodes) {
    if (node.answered > 0) continue;
    lines.push(`SILENT      ${nodeName(node)} did not answer: what it has in L1 is not known`);
  }
  return lines;
}

function findingLines({ findings, stale, boundMs, nodes }: AuditReport): string[] {
  if (findings.length === 0) return [];
  const names = new Map(nodes.map((node) => [node.instance, nodeName(node)]));
  const shown = findings.slice(0, MAX_FINDINGS);
  const more = stale - shown.length;
  return [
    '',
    ...shown.map((finding) => findingLine(finding, boundMs, names)),
    ...(more > 0 ? [`and ${more} more (--json shows up to 2000)`] : []),
  ];
}

function findingLine(finding: StaleCopy, boundMs: number, names: ReadonlyMap<string, string>): string {
  const { key, instance, against, ageMs, sinceInvalidationMs, isGone } = finding;
  const place = instance === undefined ? 'L2' : `L1 of ${names.get(instance) ?? instance}`;
  const mark = ageMs >= boundMs ? 'STALE  ' : 'lagging';
  const since =
    sinceInvalidationMs === undefined ? '' : `, ${duration(sinceInvalidationMs)} after its last invalidation`;
  const end = isGone ? 'then gone' : 'still there';
  return `${mark}  ${short(JSON.stringify(key))} in ${place}: at least ${duration(ageMs)}${since}, ${end}; ${AGAINST[against]}`;
}

function verdict({ isConsistent, compared, staleBeyondBound, boundMs, nodes }: AuditReport): string {
  const silent = nodes.filter(({ answered }) => answered === 0).length;
  const but = silent === 0 ? '' : `; ${counted(silent, 'node')} did not answer`;
  if (!isConsistent) {
    const copies = counted(staleBeyondBound, 'copy', 'copies');
    return `STALE: ${copies} beyond the bound of ${duration(boundMs)}${but}.`;
  }
  if (compared === 0) return `Nothing was compared: no cache has what could be${but}.`;
  return `Nothing was stale for longer than ${duration(boundMs)}${but}.`;
}

function nodeName({ name, instance }: AuditedNode): string {
  if (name === undefined) return `? (${instance.slice(0, 8)})`;
  const id = name.nodeId === undefined ? '?' : String(name.nodeId);
  return `node ${id} (${printable(name.host)}, process ${name.pid}, ${instance.slice(0, 8)})`;
}

/** Never rounded up to 100 %. */
function percent(part: number, whole: number): string {
  const share = Math.floor((part / whole) * 100_000) / 1_000;
  return `${share.toFixed(3)} %`;
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function short(text: string): string {
  const line = printable(text.replace(/\s+/g, ' '));
  return line.length <= MAX_KEY_CHARS ? line : `${line.slice(0, MAX_KEY_CHARS - 1)}…`;
}
