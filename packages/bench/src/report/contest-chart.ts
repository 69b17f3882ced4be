import { number, pace, times } from '../format.js';
import type { Contest, Standing } from '../result.js';
import { type BarRow, barChart } from './bar-chart.js';
import type { Chart } from './chart.js';

/** Time of one operation against that of zmsg. */
export function contestChart(contest: Contest, file: string): Chart {
  return barChart({
    file,
    title: contest.title,
    rows: contest.standings.map((standing) => contestRow(standing, contest.show)),
    axis: 'Time of one operation, that of zmsg being 1 (median and range of the rounds): further left is faster',
    format: times,
    pivot: 1,
  });
}

function contestRow({ name, does, ours, p50, ratio }: Standing, show: Contest['show']): BarRow {
  const label = Number.isFinite(p50) ? `${pace(p50, show)}${ratioText(ratio.median)}` : 'no number';
  return { name, ours, value: ratio, label, note: does };
}

function ratioText(ratio: number): string {
  return Number.isFinite(ratio) && ratio !== 1 ? ` · ${times(ratio)}` : '';
}

/** The lowest and the highest of the rounds. */
export function rangeText({ low, high }: { low: number; high: number }): string {
  return Number.isFinite(low) && Number.isFinite(high) ? `${number(low)} to ${number(high)}` : '–';
}
