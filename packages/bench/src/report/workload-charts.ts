import { quantity } from '../format.js';
import type { WorkloadContest, WorkloadRun } from '../result.js';
import { compact } from './axis.js';
import { barChart } from './bar-chart.js';
import type { Chart } from './chart.js';
import { rangeText } from './contest-chart.js';
import { latencyChart } from './latency-chart.js';

/** What it did when it could do as much as it can; undefined when nobody was asked to. */
export function throughputChart({ title, runs }: WorkloadContest, file: string): Chart | undefined {
  const unbounded = runs.filter(({ offered }) => offered === undefined);
  if (!unbounded.some(({ throughput }) => Number.isFinite(throughput.median))) return undefined;
  return barChart({
    file,
    title: `Throughput: ${title}`,
    rows: unbounded.map(({ name, ours, throughput, does }) => ({
      name,
      ours,
      value: throughput,
      label: Number.isFinite(throughput.median) ? quantity(throughput.median, '/s') : 'no number',
      note: `${does} (rounds: ${rangeText(throughput)})`,
    })),
    axis: 'Operations per second, as many as it can: longer is more',
    format: compact,
  });
}

export function workloadLatencyChart({ title, runs }: WorkloadContest, file: string): Chart | undefined {
  const measured = runs.filter(({ latencyMs }) =>
    [latencyMs.p50, latencyMs.p99, latencyMs.p999].some(isPositive),
  );
  if (measured.length === 0) return undefined;
  const rows = measured.map((run) => ({
    name: `${run.name}, ${rateText(run)}`,
    ours: run.ours,
    latencyMs: run.latencyMs,
  }));
  return latencyChart({ file, title: `Latency: ${title}`, rows });
}

export function rateText({ offered }: WorkloadRun): string {
  return offered === undefined ? 'all it can' : `${quantity(offered, '/s')} asked for`;
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}
