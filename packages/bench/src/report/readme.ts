import { pace, quantity, times } from '../format.js';
import type { BenchRun, Standing, WorkloadContest, WorkloadRun } from '../result.js';
import { rangeText } from './contest-chart.js';
import { type Duel, duelsOf } from './duels.js';
import { escapeMarkdown } from './markdown.js';

export const BEGIN = '<!-- bench:begin -->';
export const END = '<!-- bench:end -->';

export class MarkersMissingError extends Error {
  constructor(file: string) {
    super(`${file} must have ${BEGIN} and, once and behind it, ${END}, each on a line of its own`);
    this.name = 'MarkersMissingError';
  }
}

/** @throws MarkersMissingError: nothing is written where nobody said so */
export function withTable(text: string, run: BenchRun, file: string): string {
  const begin = onlyLine(text, BEGIN);
  const end = onlyLine(text, END);
  if (begin < 0 || end < begin) throw new MarkersMissingError(file);
  return `${text.slice(0, begin + BEGIN.length)}\n${benchTable(run)}\n${text.slice(end)}`;
}

/** Where the line is, or -1 when there is none, or more than one. */
function onlyLine(text: string, line: string): number {
  const found = [...text.matchAll(new RegExp(`^${line}$`, 'gm'))];
  return found.length === 1 ? (found[0] as RegExpMatchArray & { index: number }).index : -1;
}

export function benchTable(run: BenchRun): string {
  const { cpus, cpu, memoryBytes, system, node, commit, startedAt } = run.machine;
  const duels = duelsOf(run);
  const workloads = run.suites.flatMap((suite) => suite.workloads ?? []);
  return [
    run.quick ? '**A quick run: these figures are noise.**\n' : '',
    `Measured ${escapeMarkdown(startedAt.slice(0, 10))} on ${cpus} × ${escapeMarkdown(cpu)}, ${quantity(memoryBytes, 'bytes')}, ${escapeMarkdown(system)}, Node.js ${escapeMarkdown(node)}, commit ${escapeMarkdown(commit ?? 'unknown')}. How many times as long the other takes: median, and the range of the rounds; below 1 the other is faster.`,
    '',
    ...(duels.length === 0
      ? []
      : [
          '| what | zmsg | instead | takes | times as long |',
          '| --- | ---: | --- | ---: | ---: |',
          ...duels.flatMap(duelRows),
        ]),
    ...(workloads.length === 0
      ? []
      : [
          '',
          '| load | by | operations per second | p50 | p99 | p99.9 |',
          '| --- | --- | ---: | ---: | ---: | ---: |',
          ...workloads.flatMap(workloadRows),
        ]),
  ]
    .join('\n')
    .trimStart();
}

function duelRows({ contest, ours, others }: Duel): string[] {
  return others.map((other, at) => {
    const head = at === 0 ? [escapeMarkdown(contest.title), sideText(ours, contest.show)] : ['', ''];
    const { ratio } = other;
    const cells = Number.isFinite(ratio.median)
      ? [
          Number.isFinite(other.p50) ? pace(other.p50, contest.show) : '–',
          `**${times(ratio.median)}** (${rangeText(ratio)})`,
        ]
      : ['–', '–'];
    return row([...head, escapeMarkdown(other.name), ...cells]);
  });
}

function sideText({ name, p50 }: Standing, show: 'time' | 'rate'): string {
  return `${escapeMarkdown(name)}: ${Number.isFinite(p50) ? pace(p50, show) : '–'}`;
}

function workloadRows({ title, runs }: WorkloadContest): string[] {
  return runs.map((run, at) =>
    row([
      at === 0 ? escapeMarkdown(title) : '',
      `${run.ours ? '**' : ''}${escapeMarkdown(run.name)}${run.ours ? '**' : ''}${run.offered === undefined ? '' : `, at ${quantity(run.offered, '/s')}`}`,
      Number.isFinite(run.throughput.median) ? quantity(run.throughput.median, '/s') : '–',
      ...(['p50', 'p99', 'p999'] as const).map((of) => msText(run, of)),
    ]),
  );
}

function msText({ latencyMs }: WorkloadRun, of: 'p50' | 'p99' | 'p999'): string {
  return Number.isFinite(latencyMs[of]) ? quantity(latencyMs[of], 'ms') : '–';
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
