import type { Spread } from '../result.js';
import { type AxisChoice, chooseAxis, horizontalAxis, round } from './axis.js';
import { CHART_WIDTH, type Chart } from './chart.js';
import { escapeMarkup } from './markup.js';
import { DIAMOND, rowLabel } from './row-label.js';
import { fitText } from './text-fit.js';

export interface BarRow {
  name: string;
  ours: boolean;
  value: Spread;
  /** The value in words, to the right of the name. */
  label: string;
  /** Below the bar, smaller. */
  note?: string;
}

export interface BarChartOptions {
  file: string;
  title: string;
  rows: readonly BarRow[];
  /** What the axis is, and which direction is the better one. */
  axis: string;
  format: (value: number) => string;
  /** A value that divides better from worse: on a logarithmic axis bars go to both sides of it. */
  pivot?: number;
}

const BAR = 12;
const GAP = 14;
const NOTE_LINE = 14;
const EDGE = 4;

/** A bar per row, with a whisker from the lowest to the highest round. */
export function barChart({ file, title, rows, axis, format, pivot }: BarChartOptions): Chart {
  const values = rows.flatMap(({ value: { median, low, high } }) => [median, low, high]);
  const range: [number, number] = [EDGE, CHART_WIDTH - EDGE];
  const choice = chooseAxis(pivot === undefined ? values : [...values, pivot], range);
  const [start = 0] = choice.scale.domain();
  const from = choice.isLog ? (pivot ?? start) : 0;
  let y = 0;
  const drawn = rows.map((row) => {
    const { svg, height } = rowSvg(row, choice, from, y);
    y += height;
    return svg;
  });
  const name = `${axis}${choice.isLog ? '; logarithmic' : ''}`;
  const names = fitText(name, CHART_WIDTH, 11, 2);
  const grid = horizontalAxis(choice, 0, y, format);
  const base = round(choice.scale(from));
  return {
    file,
    title,
    description: `${name}. ${rows.map((row) => `${row.name}${row.ours ? ' (zmsg)' : ''}: ${row.label}`).join('; ')}.`,
    height: y + 26 + names.length * 15,
    body: [
      grid,
      `<line class="axis" x1="${base}" x2="${base}" y1="0" y2="${y}"/>`,
      ...drawn,
      ...names.map(
        (line, at) => `<text class="muted small" y="${y + 33 + at * 15}">${escapeMarkup(line)}</text>`,
      ),
    ].join(''),
  };
}

function rowSvg({ name, ours, value, label, note }: BarRow, choice: AxisChoice, from: number, y: number) {
  const head = rowLabel(name, label, ours, y);
  const notes = note === undefined ? [] : fitText(note, CHART_WIDTH, 11, 2);
  const top = y + head.height;
  const svg = [
    `<g class="row"><title>${escapeMarkup(`${name}: ${label}${note ? ` – ${note}` : ''}`)}</title>`,
    head.svg,
    Number.isFinite(value.median) ? barSvg(value, ours, choice, from, top) : '',
    ...notes.map(
      (line, at) =>
        `<text class="muted small" y="${top + BAR + 12 + at * NOTE_LINE}">${escapeMarkup(line)}</text>`,
    ),
    '</g>',
  ].join('');
  return { svg, height: head.height + BAR + notes.length * NOTE_LINE + GAP };
}

function barSvg(
  { median, low, high }: Spread,
  ours: boolean,
  { scale }: AxisChoice,
  from: number,
  top: number,
): string {
  const [a, b] = [scale(from), scale(median)].sort((one, other) => one - other) as [number, number];
  // Of its own length is nothing to be seen: where it stands is.
  if (ours && b - a < 3) {
    return `<path class="ours-mark bar-mark" transform="translate(${round(a)} ${top + BAR / 2}) scale(1.2)" d="${DIAMOND}"/>`;
  }
  const width = Math.max(b - a, 3);
  const middle = top + BAR / 2;
  const whisker =
    Number.isFinite(low) && Number.isFinite(high) && high > low
      ? `<path class="whisker" d="M${round(scale(low))} ${middle - 4}v8m0-4H${round(scale(high))}m0-4v8"/>`
      : '';
  return `<rect class="bar${ours ? ' ours' : ''}" x="${round(a)}" y="${top}" width="${round(width)}" height="${BAR}" rx="1.5"/>${whisker}`;
}
