import { CHART_WIDTH } from './chart.js';
import { escapeMarkup } from './markup.js';
import { fitText, textWidth } from './text-fit.js';

const SIZE = 12;
const LINE = 15;
export const DIAMOND = 'M0-5 5 0 0 5-5 0Z';

/** The name of a row to the left, up to two lines of it, with its value to the right; ours with a diamond. */
export function rowLabel(
  name: string,
  value: string,
  ours: boolean,
  y: number,
): { svg: string; height: number } {
  const indent = ours ? 15 : 0;
  const lines = fitText(
    name,
    (CHART_WIDTH - indent - textWidth(value, SIZE) - 16) / (ours ? 1.08 : 1),
    SIZE,
    2,
  );
  const kind = ours ? ' class="mine"' : '';
  const svg = [
    ours ? `<path class="ours-mark" transform="translate(5 ${y + 8})" d="${DIAMOND}"/>` : '',
    ...lines.map(
      (line, at) => `<text${kind} x="${indent}" y="${y + 12 + at * LINE}">${escapeMarkup(line)}</text>`,
    ),
    `<text${kind} x="${CHART_WIDTH}" y="${y + 12}" text-anchor="end">${escapeMarkup(value)}</text>`,
  ].join('');
  return { svg, height: Math.max(1, lines.length) * LINE + 3 };
}
