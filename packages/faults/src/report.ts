import type { Violation } from './oracle.js';
import type { ScenarioResult } from './run-scenario.js';

const MAX_EXAMPLES = 5;

/** The table of all scenarios, and the total in one line. */
export function formatSummary(results: readonly ScenarioResult[]): string {
  const head = ['scenario', 'cycles', 'acknowledged', 'lost', 'double', 'rejected', 'recovery p50/max'];
  const ran = results.filter(({ skipped }) => skipped === undefined);
  const rows = ran.map((result) => [
    result.name,
    String(result.cycles),
    String(result.operations),
    String(unitsOf(result, 'lost')),
    String(unitsOf(result, 'double')),
    String([...result.rejected.values()].reduce((sum, count) => sum + count, 0)),
    recovery(result.recoveryMs),
  ]);
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]?.length ?? 0)));
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  lines.push('');
  const width = widths[0] ?? 0;
  for (const result of results) {
    const told = result.skipped === undefined ? storyOf(result) : `skipped: ${result.skipped}`;
    lines.push(`${result.name.padEnd(width)}  ${told}`);
  }
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

/** The faults that took place, what the engine said of them, and the codes of what it rejected. */
function storyOf({ faults, events, deadLetters, rejected }: ScenarioResult): string {
  const parts = [pairs(faults), pairs(events)];
  if (deadLetters > 0) parts.push(`dead letters ${deadLetters}`);
  if (rejected.size > 0) parts.push(`rejected ${pairs(rejected)}`);
  return parts.filter((part) => part !== '').join('; ') || 'nothing happened';
}

function pairs(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

function recovery(all: readonly number[]): string {
  if (all.length === 0) return '–';
  const sorted = [...all].sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]}/${sorted.at(-1)} ms`;
}
