import { times } from '../format.js';
import type { Spread } from '../result.js';
import { chooseAxis, horizontalAxis, round } from './axis.js';
import { CHART_WIDTH, type Chart } from './chart.js';
import type { Duel } from './duels.js';
import { escapeMarkup } from './markup.js';
import { DIAMOND } from './row-label.js';
import { fitText } from './text-fit.js';

const LEFT = 152;
const RIGHT = 304;
const ROW = 20;
const BAR = 9;
const LINE = 15;

/** Every contender of every contest against ours, in a line each; undefined when there is none. */
export function overviewChart(duels: readonly Duel[], file: string): Chart | undefined {
  const spreads = duels.flatMap(({ others }) => others.map(({ ratio }) => ratio));
  const values = spreads.flatMap(({ median, low, high }) => [median, low, high]).filter(Number.isFinite);
  if (values.length === 0) return undefined;
  const choice = chooseAxis([1, ...values], [LEFT, RIGHT]);
  const from = choice.isLog ? 1 : 0;
  let y = 0;
  const rows = duels.map(({ contest, ours, others }) => {
    const head = fitText(contest.title, CHART_WIDTH, 12 * 1.08, 2);
    const svg = [
      ...head.map((line, at) => `<text class="bold" y="${y + 12 + at * LINE}">${escapeMarkup(line)}</text>`),
      oursSvg(ours.name, choice.scale(1), y + head.length * LINE + 2),
    ];
    y += head.length * LINE + 4 + ROW;
    for (const { name, ratio } of others) {
      const lines = fitText(name, LEFT - 10, 12, 2);
      svg.push(rowSvg(name, lines, ratio, choice.scale(from), choice.scale, y));
      y += ROW + (lines.length - 1) * LINE;
    }
    y += 10;
    return svg.join('');
  });
  const base = round(choice.scale(1));
  const name = `Time of one operation, that of zmsg (◆) being 1${choice.isLog ? '; logarithmic' : ''}: to the right of the line zmsg is faster`;
  return {
    file,
    title: 'Every contest: how long the others take, zmsg taking 1',
    description: `${name}. ${duels.map(words).join(' ')}`,
    height: y + 56,
    body: [
      horizontalAxis(choice, 0, y, times),
      `<line class="axis" x1="${base}" x2="${base}" y1="0" y2="${y}"/>`,
      ...rows,
      ...fitText(name, CHART_WIDTH, 11, 2).map(
        (line, at) => `<text class="muted small" y="${y + 33 + at * LINE}">${escapeMarkup(line)}</text>`,
      ),
    ].join(''),
  };
}

function oursSvg(name: string, x: number, y: number): string {
  const label = fitText(name, LEFT - 22, 12 * 1.08)[0] ?? '';
  return `<path class="ours-mark" transform="translate(5 ${y + 8})" d="${DIAMOND}"/><text class="mine" x="15" y="${y + 12}">${escapeMarkup(label)}</text><path class="ours-mark" transform="translate(${round(x)} ${y + 8})" d="${DIAMOND}"/>`;
}

function rowSvg(
  name: string,
  lines: readonly string[],
  { median, low, high }: Spread,
  base: number,
  scale: (value: number) => number,
  y: number,
): string {
  const text = Number.isFinite(median) ? times(median) : 'no number';
  const parts = [
    `<g class="row"><title>${escapeMarkup(`${name}: ${text}`)}</title>`,
    ...lines.map((line, at) => `<text y="${y + 12 + at * LINE}">${escapeMarkup(line)}</text>`),
    `<text x="${CHART_WIDTH}" y="${y + 12}" text-anchor="end">${escapeMarkup(text)}</text>`,
  ];
  if (Number.isFinite(median)) {
    const [left, right] = [base, scale(median)].sort((a, b) => a - b) as [number, number];
    const middle = y + 8;
    parts.push(
      `<rect class="bar" x="${round(left)}" y="${middle - BAR / 2}" width="${round(Math.max(right - left, 3))}" height="${BAR}" rx="1"/>`,
    );
    if (high > low) {
      parts.push(
        `<path class="whisker" d="M${round(scale(low))} ${middle - 3}v6m0-3H${round(scale(high))}m0-3v6"/>`,
      );
    }
  }
  return `${parts.join('')}</g>`;
}

function words({ contest, others }: Duel): string {
  return `${contest.title}: ${others.map(({ name, ratio }) => `${name} ${Number.isFinite(ratio.median) ? times(ratio.median) : 'no number'}`).join(', ')}.`;
}
