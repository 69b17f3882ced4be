import { number, pace, quantity, times } from './format.js';
import type { Bar, Contest, Curve, Figure, Machine, SuiteResult, WorkloadContest } from './result.js';

/** Rows of cells as text: the first column and the last to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) =>
        at === 0 || at === row.length - 1 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
      )
      .join('  ');
  return rows.map((row) => `  ${line(row)}`.trimEnd()).join('\n');
}

export function machineText({
  cpus,
  cpu,
  memoryBytes,
  system,
  node,
  v8,
  commit,
  startedAt,
}: Machine): string {
  const memory = quantity(memoryBytes, 'bytes');
  return [
    `Node.js ${node} (V8 ${v8}), ${cpus} × ${cpu}, ${memory}, ${system}`,
    `commit ${commit ?? 'unknown'}, ${startedAt}`,
  ].join('\n');
}

export function suiteText({ name, title, contests, workloads, curves, figures, bars }: SuiteResult): string {
  return [
    `${name}: ${title}`,
    ...contests.map(contestText),
    ...(workloads ?? []).map(workloadText),
    ...(curves ?? []).map(curveText),
    ...(figures?.length ? [figuresText(figures)] : []),
    ...(bars?.length ? [barsText(bars)] : []),
    '',
  ].join('\n\n');
}

export function contestText({ title, show, standings }: Contest): string {
  const head = ['', 'median', 'p75', 'p99', 'of zmsg', '(of rounds)', 'when it has answered'];
  const rows = standings.map(({ name, does, p50, p75, p99, ratio }) => [
    name,
    pace(p50, show),
    pace(p75, show),
    pace(p99, show),
    times(show === 'time' ? ratio.median : 1 / ratio.median),
    show === 'time'
      ? `${number(ratio.low)} to ${number(ratio.high)}`
      : `${number(1 / ratio.high)} to ${number(1 / ratio.low)}`,
    does,
  ]);
  return `${title}\n${table([head, ...rows])}`;
}

function workloadText({ title, runs }: WorkloadContest): string {
  const head = [
    '',
    'offered',
    'done',
    'of zmsg',
    'p50',
    'p99',
    'p99.9',
    'hits',
    'loop p99',
    'CPU',
    'rows',
    '',
  ];
  const rows = runs.map((run) => [
    run.name,
    run.offered === undefined ? 'all it can' : quantity(run.offered, '/s'),
    quantity(run.throughput.median, '/s'),
    times(1 / run.ratio.median),
    quantity(run.latencyMs.p50, 'ms'),
    quantity(run.latencyMs.p99, 'ms'),
    quantity(run.latencyMs.p999, 'ms'),
    run.hitRatio === undefined ? '' : quantity(100 * run.hitRatio, '%'),
    quantity(run.eventLoopDelayMs.p99, 'ms'),
    number(run.cpu),
    number(run.database.rows),
    run.does,
  ]);
  return `${title}\n${table([head, ...rows])}`;
}

function curveText({ title, x, y, series }: Curve): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const head = [`${x.name} →`, ...xs.map((at) => quantity(at, x.unit)), ''];
  const rows = series.map(({ name, points }) => {
    const of = new Map(points);
    const cell = (at: number) => {
      const value = of.get(at);
      return value === undefined ? '' : quantity(value, y.unit);
    };
    return [name, ...xs.map(cell), ''];
  });
  return `${title} (${y.name})\n${table([head, ...rows])}`;
}

function figuresText(figures: readonly Figure[]): string {
  return table(figures.map(({ name, value, unit, note = '' }) => [name, quantity(value, unit), note]));
}

export function barsText(bars: readonly Bar[]): string {
  return table(
    bars.map(({ name, relation, bound, measured, unit, met }) => [
      name,
      quantity(measured, unit),
      `${met ? 'reaches' : 'MISSES'} ${relation} ${quantity(bound, unit)}`,
    ]),
  );
}
