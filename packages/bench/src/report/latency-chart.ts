import { symbol, symbolCircle, symbolSquare, symbolTriangle } from 'd3-shape';
import { quantity } from '../format.js';
import type { WorkloadRun } from '../result.js';
import { type AxisChoice, chooseAxis, horizontalAxis, round } from './axis.js';
import { CHART_WIDTH, type Chart } from './chart.js';
import { escapeMarkup } from './markup.js';
import { rowLabel } from './row-label.js';
import { fitText } from './text-fit.js';

export interface LatencyRow {
  name: string;
  ours: boolean;
  latencyMs: WorkloadRun['latencyMs'];
}

const PERCENTILES = [
  ['p50', 'p50', symbolCircle],
  ['p99', 'p99', symbolSquare],
  ['p999', 'p99.9', symbolTriangle],
] as const;
const TRACK = 18;
const GAP = 10;

/** Three percentiles per row on one line, each with a shape of its own. */
export function latencyChart({
  file,
  title,
  rows,
}: {
  file: string;
  title: string;
  rows: readonly LatencyRow[];
}): Chart {
  const values = rows
    .flatMap(({ latencyMs }) => PERCENTILES.map(([of]) => latencyMs[of]))
    .filter((ms) => ms > 0);
  const choice = chooseAxis(values, [8, CHART_WIDTH - 8]);
  const format = (ms: number) => quantity(ms, 'ms');
  const legend = legendSvg();
  let y = legend.height;
  const drawn = rows.map((row) => {
    const head = rowLabel(row.name, '', row.ours, y);
    const top = y + head.height;
    const svg = `<g class="row"><title>${escapeMarkup(`${row.name}: ${wordsOf(row)}`)}</title>${head.svg}${trackSvg(row, choice, top + TRACK / 2)}<text class="muted small" y="${top + TRACK + 11}">${escapeMarkup(wordsOf(row))}</text></g>`;
    y = top + TRACK + 14 + GAP;
    return svg;
  });
  const name = `From the time of the schedule to the answer${choice.isLog ? '; logarithmic' : ''}: further left is better`;
  const names = fitText(name, CHART_WIDTH, 11, 2);
  return {
    file,
    title,
    description: `${name}. ${rows.map((row) => `${row.name}${row.ours ? ' (zmsg)' : ''}: ${wordsOf(row)}`).join('; ')}.`,
    height: y + 26 + names.length * 15,
    body: `${legend.svg}${horizontalAxis(choice, legend.height, y, format)}${drawn.join('')}${names.map((line, at) => `<text class="muted small" y="${y + 33 + at * 15}">${escapeMarkup(line)}</text>`).join('')}`,
  };
}

function wordsOf({ latencyMs }: LatencyRow): string {
  return PERCENTILES.map(
    ([of, name]) => `${name} ${Number.isFinite(latencyMs[of]) ? quantity(latencyMs[of], 'ms') : '–'}`,
  ).join(' · ');
}

function trackSvg({ ours, latencyMs }: LatencyRow, { scale }: AxisChoice, y: number): string {
  const kind = ours ? ' ours' : '';
  const marks = PERCENTILES.filter(([of]) => Number.isFinite(latencyMs[of]) && latencyMs[of] > 0).map(
    ([of, , shape]) => [round(scale(latencyMs[of])), shape] as const,
  );
  const xs = marks.map(([x]) => x);
  return [
    marks.length > 1
      ? `<line class="span${kind}" x1="${Math.min(...xs)}" x2="${Math.max(...xs)}" y1="${y}" y2="${y}"/>`
      : '',
    ...marks.map(
      ([x, shape]) =>
        `<path class="mark${kind}" transform="translate(${x} ${y})" d="${symbol(shape, 48)()}"/>`,
    ),
  ].join('');
}

function legendSvg(): { svg: string; height: number } {
  const svg = PERCENTILES.map(
    ([, name, shape], at) =>
      `<path class="mark" transform="translate(${8 + at * 70} 9)" d="${symbol(shape, 48)()}"/><text class="small" x="${18 + at * 70}" y="13">${name}</text>`,
  ).join('');
  return { svg, height: 28 };
}
