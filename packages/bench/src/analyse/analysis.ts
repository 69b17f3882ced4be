import { quantity } from '../format.js';
import { escapeMarkdown } from '../report/markdown.js';
import type { Verdict } from '../report/verdict.js';
import type { Bar, BenchRun } from '../result.js';
import { type Finding, findingsOf } from './finding.js';
import type { Camp } from './rival.js';
import { topicsWithout } from './topic.js';
import { WHEN_NOT } from './when-not.js';

const SECTIONS: readonly [Camp, title: string][] = [
  ['redis and postgres', 'Beside Redis and PostgreSQL, by hand'],
  ['orm and redis', 'Beside an ORM and Redis'],
  ['libraries', 'Beside libraries for one part of it'],
  ['others', 'Beside others'],
];
const VERDICTS: readonly [Verdict, title: string][] = [
  ['wins', 'Where zmsg wins'],
  ['equals', 'Where it makes no difference'],
  ['loses', 'Where it does not win'],
];

/** A comparison in words. Every statement with a figure is made from the run; what the run does not have is listed. */
export function analysis(run: BenchRun): string {
  const findings = findingsOf(run);
  return `${[
    '# zmsg beside Redis and PostgreSQL, and beside an ORM and Redis',
    ...(run.quick
      ? [
          '> **A quick run.** Short rounds on little data: it shows that everything runs. What follows are the words that its figures would have, and they are noise.',
        ]
      : []),
    measured(run),
    ...SECTIONS.flatMap(([camp, title]) =>
      section(
        title,
        findings.filter((finding) => finding.camp === camp),
      ),
    ),
    ...bars(run.suites.flatMap((suite) => suite.bars ?? [])),
    ...whenNot(findings),
    ...notMeasured(run, findings),
  ].join('\n\n')}\n`;
}

function measured({ machine }: BenchRun): string {
  const { cpu, cpus, memoryBytes, system, node, commit, startedAt } = machine;
  const where = `${cpus} × ${cpu}, ${quantity(memoryBytes, 'bytes')}, ${system}, Node.js ${node}`;
  return `Measured ${escapeMarkdown(startedAt.slice(0, 10))} on ${escapeMarkdown(where)}, commit ${escapeMarkdown(commit ?? 'unknown')}. A difference counts where all rounds agree on it; times as long, or as much, are medians of the rounds, with the lowest and the highest of them.`;
}

function section(title: string, findings: readonly Finding[]): string[] {
  const known = findings.filter(({ verdict }) => verdict !== 'unknown');
  if (known.length === 0) return [];
  return [
    `## ${title}`,
    summary(known),
    ...VERDICTS.flatMap(([verdict, name]) => {
      const those = known.filter((finding) => finding.verdict === verdict);
      // The most telling first.
      const sorted = those.toSorted((one, other) => distance(other) - distance(one));
      return those.length === 0 ? [] : [`### ${name}`, sorted.map(line).join('\n')];
    }),
  ];
}

function summary(findings: readonly Finding[]): string {
  const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  const all = findings.length === 1 ? 'One comparison' : `${findings.length} comparisons`;
  return `${all}: zmsg is ahead in ${count('wins')}, behind in ${count('loses')}, and in ${count('equals')} the rounds do not tell.`;
}

function line({ topic, text }: Finding): string {
  return `- **${topic}**: ${text}`;
}

function distance({ ratio }: Finding): number {
  return Math.abs(Math.log(ratio));
}

function bars(all: readonly Bar[]): string[] {
  if (all.length === 0) return [];
  const missed = all.filter(({ met }) => !met);
  const lines = missed.map(({ name, relation, bound, measured, unit }) => {
    const value = Number.isFinite(measured) ? quantity(measured, unit) : 'no number';
    return `- ${escapeMarkdown(name)}: ${value}, promised ${relation} ${quantity(bound, unit)}`;
  });
  return [
    '## What the project promises of itself',
    `${all.length - missed.length} of ${all.length} bounds are kept.${missed.length > 0 ? ' Missed:' : ''}`,
    ...(lines.length > 0 ? [lines.join('\n')] : []),
  ];
}

function whenNot(findings: readonly Finding[]): string[] {
  const lost = [...new Set(findings.filter(({ verdict }) => verdict === 'loses').map(({ topic }) => topic))];
  return [
    '## When not to use it',
    ...(lost.length > 0
      ? [
          `By the figures above: when most of the work is one of these, and the other way of doing it promises enough.\n\n${lost.map((topic) => `- ${topic}`).join('\n')}`,
        ]
      : []),
    `By its design:\n\n${WHEN_NOT.map((reason) => `- ${reason}`).join('\n')}`,
  ];
}

function notMeasured(run: BenchRun, findings: readonly Finding[]): string[] {
  const ids = run.suites.flatMap(({ contests, workloads = [] }) =>
    [...contests, ...workloads].map(({ id }) => id),
  );
  const known = findings.filter(({ verdict }) => verdict !== 'unknown');
  const missing = [
    ...SECTIONS.filter(([camp]) => camp !== 'others' && !known.some((finding) => finding.camp === camp)).map(
      ([, title]) => title,
    ),
    ...topicsWithout(ids),
    ...findings
      .filter(({ verdict }) => verdict === 'unknown')
      .map(({ text }) => `${text}: no number came out`),
  ];
  if (missing.length === 0) return [];
  return ['## Not measured in this run', missing.map((each) => `- ${each}`).join('\n')];
}
