import type { Violation } from './oracle.js';
import type { ScenarioResult } from './run-scenario.js';

const MAX_EXAMPLES = 5;

/** The table of all scenarios, and the total in one line. */
export function formatSummary(results: readonly ScenarioResult[]): string {
  const head = [
    'scenario',
    'cycles',
    'acknowledged',
    'lost',
    'double',
    'rejected',
    'faults',
    'recovery p50/max',
  ];
  const ran = results.filter(({ skipped }) => skipped === undefined);
  const rows = ran.map((result) => [
    result.name,
    String(result.cycles),
    String(result.operations),
    String(unitsOf(result, 'lost')),
    String(unitsOf(result, 'double')),
    pairs(result.rejected),
    pairs(new Map([...result.faults, ...troubleOf(result)])),
    recovery(result.recoveryMs),
  ]);
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]?.length ?? 0)));
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  for (const { name, skipped } of results)
    if (skipped !== undefined) lines.push(`${name}: skipped, ${skipped}`);
  const sum = (of: (result: ScenarioResult) => number) =>
    ran.reduce((total, result) => total + of(result), 0);
  const failures = sum((result) => unitsOf(result, 'failed'));
  lines.push(
    '',
    [
      `cycles ${sum(({ cycles }) => cycles)}`,
      `acknowledged ${sum(({ operations }) => operations)}`,
      `lost ${sum((result) => unitsOf(result, 'lost'))}`,
      `double ${sum((result) => unitsOf(result, 'double'))}`,
      ...(failures === 0 ? [] : [`failed ${failures}`]),
    ].join('  '),
  );
  return lines.join('\n');
}

/** What was wrong in a scenario, with examples, and how to see it again. */
export function formatViolations(result: ScenarioResult, seed: number): string {
  const lines = [`${result.name}: WRONG in cycle ${result.cycles} (seed ${seed})`];
  for (const kind of ['lost', 'double', 'foreign', 'failed'] as const) {
    const some = result.violations.filter((violation) => violation.kind === kind);
    for (const { item, detail } of some.slice(0, MAX_EXAMPLES)) lines.push(`  ${kind} ${item}: ${detail}`);
    if (some.length > MAX_EXAMPLES) lines.push(`  ${kind}: ${some.length - MAX_EXAMPLES} more`);
  }
  for (const place of result.kept) lines.push(`  kept: ${place}`);
  lines.push(`  again: pnpm test:faults --seed ${seed} --scenario ${result.name} --cycles ${result.cycles}`);
  return lines.join('\n');
}

/** A row that should not be there is one too many. */
function unitsOf({ violations }: ScenarioResult, kind: 'lost' | 'double' | 'failed'): number {
  const kinds: readonly Violation['kind'][] = kind === 'double' ? ['double', 'foreign'] : [kind];
  return violations.reduce(
    (sum, violation) => sum + (kinds.includes(violation.kind) ? violation.amount : 0),
    0,
  );
}

function troubleOf({ events, deadLetters }: ScenarioResult): [string, number][] {
  const all: [string, number][] = [
    ['failed flushes', events.amountOf('flush:transaction:failed')],
    ['failed threads', events.amountOf('shard:thread:failed')],
    ['dead letters', deadLetters],
  ];
  return all.filter(([, count]) => count > 0);
}

function pairs(counts: ReadonlyMap<string, number>): string {
  if (counts.size === 0) return '–';
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

function recovery(all: readonly number[]): string {
  if (all.length === 0) return '–';
  const sorted = [...all].sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]}/${sorted.at(-1)} ms`;
}
