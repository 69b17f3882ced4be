import { number, pace, quantity, times } from '../format.js';
import { duelsOf } from '../report/duels.js';
import { escapeMarkdown } from '../report/markdown.js';
import { plainText } from '../report/markup.js';
import { type Verdict, verdictOf } from '../report/verdict.js';
import type { BenchRun, Contest, Spread, Standing, WorkloadContest, WorkloadRun } from '../result.js';
import { type Camp, campOf } from './rival.js';
import { topicOf } from './topic.js';

/** One comparison, as a sentence. */
export interface Finding {
  camp: Camp;
  verdict: Verdict;
  /** Above 1, zmsg is better. */
  ratio: number;
  topic: string;
  /** Without a figure: what was not measured. */
  text: string;
}

/** Latencies come without rounds: a difference smaller than this may be anything. */
const LATENCY_NOTEWORTHY = 1.25;
/** Who does less than this of what was asked for has not kept up. */
const KEPT_UP = 0.95;

export function findingsOf(run: BenchRun): Finding[] {
  return [
    ...duelsOf(run).flatMap(({ contest, ours, others }) =>
      others.map((other) => ofDuel(contest, ours, other)),
    ),
    ...run.suites.flatMap((suite) => suite.workloads ?? []).flatMap(ofWorkload),
  ];
}

function ofDuel({ id, title, show }: Contest, ours: Standing, other: Standing): Finding {
  const { ratio } = other;
  const base = { camp: campOf(other.name), topic: heading(id, title), ratio: ratio.median };
  const verdict = [ours.p50, other.p50].every(Number.isFinite) ? verdictOf(ratio) : 'unknown';
  if (verdict === 'unknown') return { ...base, verdict, text: `${base.topic}, against ${code(other.name)}` };
  const verb = show === 'time' ? 'takes' : 'does';
  const figures = `${code(ours.name)} ${verb} ${pace(ours.p50, show)}, ${code(other.name)} ${pace(other.p50, show)}`;
  const text = `${figures}: ${timeWords(verdict, ratio)}.${promises(ours.does, other.does)}`;
  return { ...base, verdict, text };
}

function timeWords(verdict: Verdict, ratio: Spread): string {
  if (verdict === 'wins')
    return `**${factor(ratio.median)} as long** as zmsg (${range(ratio)} in the rounds)`;
  if (verdict === 'loses') {
    const ours = inverse(ratio);
    return `zmsg takes **${factor(ours.median)} as long** (${range(ours)} in the rounds)`;
  }
  return `no difference that stands out (${range(ratio)} times as long as zmsg in the rounds)`;
}

function ofWorkload(workload: WorkloadContest): Finding[] {
  return workload.runs
    .filter(({ ours }) => !ours)
    .map((other) => {
      const ours = workload.runs.find((run) => run.ours && run.offered === other.offered);
      const base = { camp: campOf(other.name), topic: heading(workload.id, workload.title) };
      const rate = other.offered === undefined ? '' : `, at ${quantity(other.offered, '/s')}`;
      const unknown = (): Finding => ({
        ...base,
        verdict: 'unknown',
        ratio: Number.NaN,
        text: `${base.topic}${rate}, against ${code(other.name)}`,
      });
      if (ours === undefined) return unknown();
      return {
        ...base,
        ...((other.offered === undefined ? byThroughput : byLatency)(ours, other) ?? unknown()),
      };
    });
}

type Judged = Pick<Finding, 'verdict' | 'ratio' | 'text'>;

function byThroughput(ours: WorkloadRun, other: WorkloadRun): Judged | undefined {
  const { ratio } = other;
  const verdict = verdictOf(ratio);
  const rates = [ours.throughput.median, other.throughput.median] as const;
  if (verdict === 'unknown' || !rates.every(Number.isFinite)) return undefined;
  const words = {
    wins: `zmsg does **${factor(ratio.median)} as much** (${range(ratio)} in the rounds)`,
    loses: `the other does **${factor(1 / ratio.median)} as much** (${range(inverse(ratio))} in the rounds)`,
    equals: `no difference that stands out (zmsg does ${range(ratio)} times as much in the rounds)`,
  }[verdict];
  const text = `${code(ours.name)} answers ${quantity(rates[0], '/s')}, ${code(other.name)} ${quantity(rates[1], '/s')}: ${words}.${promises(ours.does, other.does)}`;
  return { verdict, ratio: ratio.median, text };
}

function byLatency(ours: WorkloadRun, other: WorkloadRun): Judged | undefined {
  const offered = other.offered as number;
  const [mine, theirs] = [ours.latencyMs.p99, other.latencyMs.p99];
  if (!(mine > 0 && theirs > 0 && Number.isFinite(mine) && Number.isFinite(theirs))) return undefined;
  const ratio = theirs / mine;
  const verdict = ratio >= LATENCY_NOTEWORTHY ? 'wins' : ratio <= 1 / LATENCY_NOTEWORTHY ? 'loses' : 'equals';
  const words = {
    wins: `**${factor(ratio)} as long**`,
    loses: `zmsg takes **${factor(1 / ratio)} as long**`,
    equals: 'no difference that stands out',
  }[verdict];
  const behind = [ours, other]
    .filter(({ throughput }) => throughput.median < KEPT_UP * offered)
    .map(notKeptUp);
  const text = `at ${quantity(offered, '/s')}, 99 of 100 answers of ${code(ours.name)} come within ${quantity(mine, 'ms')}, of ${code(other.name)} within ${quantity(theirs, 'ms')}: ${words} (one figure for all rounds, without a spread).${behind.join('')}${database(ours, other)}${promises(ours.does, other.does)}`;
  return { verdict, ratio, text };
}

function notKeptUp({ name, throughput }: WorkloadRun): string {
  return ` ${code(name)} did not keep up: it answered ${quantity(throughput.median, '/s')}.`;
}

/** Only of as many operations on both sides, which is so where a rate was asked for. */
function database(ours: WorkloadRun, other: WorkloadRun): string {
  const statements = [ours.database.statements, other.database.statements] as const;
  if (!statements.every(Number.isFinite) || statements[0] === statements[1]) return '';
  return ` PostgreSQL ran ${number(statements[0])} statements for zmsg, ${number(statements[1])} for the other.`;
}

/** What has happened when the calls have answered, where that differs. */
function promises(mine: string, theirs: string): string {
  if (mine === '' || theirs === '' || mine === theirs) return '';
  return ` When it has answered, zmsg: *${escapeMarkdown(mine)}*; the other: *${escapeMarkdown(theirs)}*.`;
}

function heading(id: string, title: string): string {
  const topic = topicOf(id);
  return topic === undefined ? escapeMarkdown(title) : `${topic} (${escapeMarkdown(title)})`;
}

/** As it is written in code; with a backtick of its own it is plain text. */
export function code(name: string): string {
  return name.includes('`') ? escapeMarkdown(name) : `\`${plainText(name).replace(/\s+/g, ' ')}\``;
}

/** `386 times`, `1.5 times`. */
function factor(ratio: number): string {
  return `${times(ratio).replace(' ×', '')} times`;
}

function range({ low, high }: Spread): string {
  return `${number(low)} to ${number(high)}`;
}

function inverse({ median, low, high }: Spread): Spread {
  return { median: 1 / median, low: 1 / high, high: 1 / low };
}
