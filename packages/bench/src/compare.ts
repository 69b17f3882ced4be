import { number, quantity, times } from './format.js';
import type { Bar, BenchRun, Contest, Machine, Spread, WorkloadContest } from './result.js';

/** How much worse a ratio may be, beyond what the rounds of both runs scattered. */
const TOLERANCE = 1.15;
/** Short rounds on a machine that does other work: only what is badly broken shows. */
const QUICK_TOLERANCE = 6;

export interface Comparison {
  /** A line each. */
  regressions: string[];
  improvements: string[];
  /** Ratios that both runs have. */
  compared: number;
  /** Contests and bars that only the older run has. */
  missing: string[];
  /** Ratios of which no number came out this time. */
  broken: string[];
  /** Why the comparison is to be read with care. */
  cautions: string[];
}

interface Ratio {
  id: string;
  /** Above 1, zmsg is better. */
  ratio: Spread;
}

/**
 * Two runs by what drift of a machine leaves alone: the ratios of contenders that were measured in turns. A
 * ratio has become worse when the best of its rounds now is below the worst of its rounds then, and by more
 * than the tolerance.
 */
export function compare(older: BenchRun, newer: BenchRun): Comparison {
  const tolerance = older.quick || newer.quick ? QUICK_TOLERANCE : TOLERANCE;
  const then = new Map(ratiosOf(older).map(({ id, ratio }) => [id, ratio]));
  const now = new Map(ratiosOf(newer).map(({ id, ratio }) => [id, ratio]));
  const found: Comparison = {
    regressions: [],
    improvements: [],
    compared: 0,
    missing: [...then.keys()].filter((id) => !now.has(id)),
    broken: [...now].filter(([, ratio]) => !isNumber(ratio)).map(([id]) => id),
    cautions: cautionsFor(older, newer),
  };
  for (const [id, ratio] of now) {
    const before = then.get(id);
    // Every comparison with a NaN is false: it would pass as no worse.
    if (before === undefined || !isNumber(before) || !isNumber(ratio)) continue;
    found.compared += 1;
    const line = `${id}: ${spreadText(before)} → ${spreadText(ratio)}`;
    if (ratio.high * tolerance < before.low) found.regressions.push(line);
    if (before.high * tolerance < ratio.low) found.improvements.push(line);
  }
  return found;
}

/** Bars are one number each, without rounds: their noise is that of the contests that they are made from. */
export function comparisonText({
  regressions,
  improvements,
  compared,
  missing,
  broken,
  cautions,
}: Comparison): string {
  const lines = (head: string, items: readonly string[]) =>
    items.length === 0 ? [] : [head, ...items.map((item) => `  ${item}`)];
  return [
    ...cautions,
    ...lines('Worse than before:', regressions),
    ...lines('Better than before:', improvements),
    ...lines('No number came out this time:', broken),
    ...lines('Not measured this time:', missing),
    `${number(compared)} ratios compared: ${regressions.length} worse, ${improvements.length} better`,
  ].join('\n');
}

export function isWorse({ regressions, broken }: Comparison): boolean {
  return regressions.length > 0 || broken.length > 0;
}

function ratiosOf({ suites }: BenchRun): Ratio[] {
  return suites.flatMap(({ contests, workloads = [], bars = [] }) => [
    ...contests.flatMap(ofContest),
    ...workloads.flatMap(ofWorkload),
    ...bars.flatMap(ofBar),
  ]);
}

function ofContest({ id, standings }: Contest): Ratio[] {
  return standings
    .filter(({ ours }) => !ours)
    .map(({ name, ratio }) => ({ id: `${id}, against ${name}`, ratio }));
}

/** At a rate that was asked for, all do the same: what differs there is the latency. */
function ofWorkload({ id, runs }: WorkloadContest): Ratio[] {
  return runs
    .filter(({ ours, offered }) => !ours && offered === undefined)
    .map(({ name, ratio }) => ({ id: `${id}, against ${name}`, ratio }));
}

/** Those that are counts, which no noise touches; the ratios among them are in the contests. */
function ofBar({ id, relation, measured, unit }: Bar): Ratio[] {
  if (unit !== '' && unit !== 'bytes') return [];
  // Of what must not happen at all, none is the best there is, and one is worse.
  const better = relation === '≥' ? measured : 1 / Math.max(measured, Number.EPSILON);
  return [{ id: `bar ${id}`, ratio: { median: better, low: better, high: better } }];
}

function isNumber({ median, low, high }: Spread): boolean {
  return [median, low, high].every(Number.isFinite);
}

function cautionsFor(older: BenchRun, newer: BenchRun): string[] {
  const cautions: string[] = [];
  if (older.machine.cpu !== newer.machine.cpu) {
    cautions.push(
      `Measured on different processors (${older.machine.cpu}; ${newer.machine.cpu}): ratios differ between them.`,
    );
  }
  const { cpus, memoryBytes } = older.machine;
  if (cpus !== newer.machine.cpus || memoryBytes !== newer.machine.memoryBytes) {
    cautions.push(`Another machine: ${sizeText(older.machine)} then, ${sizeText(newer.machine)} now.`);
  }
  if (older.machine.node !== newer.machine.node) {
    cautions.push(`Node.js ${older.machine.node} then, ${newer.machine.node} now.`);
  }
  if (older.quick !== newer.quick) {
    const [short, long] = older.quick ? ['older', 'newer'] : ['newer', 'older'];
    cautions.push(
      `The ${short} run is a quick one on little data, the ${long} is not: their figures differ for that alone.`,
    );
  }
  if (older.quick || newer.quick) {
    cautions.push(`A quick run: only ratios that are ${times(QUICK_TOLERANCE)} worse count.`);
  }
  return cautions;
}

function sizeText({ cpus, memoryBytes }: Machine): string {
  return `${cpus} processors and ${quantity(memoryBytes, 'bytes')}`;
}

function spreadText({ median, low, high }: Spread): string {
  return `${times(median)} (${number(low)} to ${number(high)})`;
}
