import { number, pace, quantity, times } from '../format.js';
import type { Bar, Contest, Curve, Figure, Unit, WorkloadContest } from '../result.js';
import { rangeText } from './contest-chart.js';
import type { HitRatioRow } from './hit-ratio-table.js';
import { type Cell, htmlTable } from './html-table.js';
import { rateText } from './workload-charts.js';

const MISSING = '–';

export function contestTable({ title, show, standings }: Contest): string {
  return htmlTable({
    caption: `Figures: ${title}`,
    isTitled: true,
    head: ['', 'median', 'p75', 'p99', 'of zmsg', 'of the rounds', 'when it has answered'],
    rows: standings.map(({ name, does, ours, p50, p75, p99, ratio }) => [
      nameCell(name, ours),
      ...[p50, p75, p99].map((ns) => (Number.isFinite(ns) ? pace(ns, show) : MISSING)),
      timesText(ratio.median),
      rangeText(ratio),
      does,
    ]),
    numeric: (column) => column >= 1 && column <= 5,
  });
}

export function workloadTable({ title, runs }: WorkloadContest): string {
  return htmlTable({
    caption: `Figures: ${title}`,
    isTitled: true,
    head: [
      '',
      'offered',
      'done',
      'of the rounds',
      'zmsg does',
      'p50',
      'p75',
      'p99',
      'p99.9',
      'longest',
      'hits',
      'event loop p99',
      'GC, longest',
      'processors',
      'memory',
      'statements',
      'rows',
      'when it has answered',
      'checked afterwards',
    ],
    rows: runs.map((run) => [
      nameCell(run.name, run.ours),
      rateText(run),
      amount(run.throughput.median, '/s'),
      rangeText(run.throughput),
      timesText(run.ratio.median),
      ...(['p50', 'p75', 'p99', 'p999', 'max'] as const).map((of) => amount(run.latencyMs[of], 'ms')),
      run.hitRatio === undefined ? MISSING : amount(100 * run.hitRatio, '%'),
      amount(run.eventLoopDelayMs.p99, 'ms'),
      amount(run.gc.maxMs, 'ms'),
      amount(run.cpu, ''),
      amount(run.rssBytes, 'bytes'),
      amount(run.database.statements, ''),
      amount(run.database.rows, ''),
      run.does,
      run.checked,
    ]),
    numeric: (column) => column >= 1 && column <= 16,
  });
}

export function curveTable({ title, x, y, series }: Curve): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  return htmlTable({
    caption: `Figures: ${title} (${y.name} by ${x.name})`,
    isTitled: true,
    head: ['', ...xs.map((at) => amount(at, x.unit))],
    rows: series.map(({ name, ours, points }) => {
      const of = new Map(points);
      return [nameCell(name, ours), ...xs.map((at) => amount(of.get(at) ?? Number.NaN, y.unit))];
    }),
    numeric: (column) => column > 0,
  });
}

export function figureTable(figures: readonly Figure[]): string {
  return htmlTable({
    caption: 'Further figures',
    head: ['', 'measured', ''],
    rows: figures.map(({ name, value, unit, note = '' }) => [name, amount(value, unit), note]),
    numeric: (column) => column === 1,
  });
}

/** Missed ones first. */
export function barTable(bars: readonly Bar[]): string {
  return htmlTable({
    caption: 'Bounds that the project has set itself; missed ones first',
    head: ['', 'kept?', 'measured', 'promised'],
    rows: bars
      .toSorted((one, other) => Number(one.met) - Number(other.met))
      .map(({ name, relation, bound, measured, unit, met }) => [
        name,
        met ? { text: '✓ kept', kind: 'good' } : { text: '✗ missed', kind: 'bad' },
        amount(measured, unit),
        `${relation} ${amount(bound, unit)}`,
      ]),
    numeric: (column) => column === 2 || column === 3,
  });
}

export function hitRatioTable(rows: readonly HitRatioRow[]): string {
  const policies = [...new Set(rows.flatMap(({ others }) => [...others.keys()]))];
  return htmlTable({
    caption: 'Hits in 100 reads; ★ the best of those that do not know the future',
    head: ['', '◆ zmsg', ...policies],
    rows: rows.map(({ name, ours, others }) => {
      // The optimum knows what comes.
      const best = Math.max(
        ours,
        ...[...others].filter(([policy]) => policy !== 'optimum').map(([, hits]) => hits),
      );
      const cell = (hits: number | undefined, policy: string, kind?: string): Cell => {
        if (hits === undefined || !Number.isFinite(hits)) return { text: MISSING };
        const text = `${policy !== 'optimum' && hits === best ? '★ ' : ''}${hits.toFixed(1)}`;
        return kind === undefined ? { text } : { text, kind };
      };
      return [
        name,
        cell(ours, 'zmsg', 'mine'),
        ...policies.map((policy) => cell(others.get(policy), policy)),
      ];
    }),
    numeric: (column) => column > 0,
  });
}

function nameCell(name: string, ours: boolean): Cell {
  return ours ? { text: `◆ ${name}`, kind: 'mine' } : { text: name };
}

function timesText(ratio: number): string {
  return Number.isFinite(ratio) ? times(ratio) : MISSING;
}

function amount(value: number, unit: Unit): string {
  if (!Number.isFinite(value)) return MISSING;
  return unit === '' ? number(value) : quantity(value, unit);
}
