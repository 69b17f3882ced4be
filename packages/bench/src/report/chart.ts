import { escapeMarkup } from './markup.js';
import { palette } from './palette.js';
import { fitText } from './text-fit.js';

/** Units of the drawing: about the pixels of a phone, so that text of 12 stays what it is there. */
export const CHART_WIDTH = 360;

export interface Chart {
  /** Without its ending; unique in a report. */
  file: string;
  title: string;
  /** What it shows, in words, for those who do not see it. */
  description: string;
  height: number;
  /** SVG below the title. */
  body: string;
}

const PADDING = 12;
const TITLE_SIZE = 14;
const TITLE_LINE = 19;

/** Of all charts; everything begins with a class, so that it may stand in a page. */
export const CHART_STYLE = `.chart{display:block;font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
.chart text{fill:var(--text);stroke:var(--card);stroke-width:3px;stroke-linejoin:round;paint-order:stroke}.chart .muted{fill:var(--muted)}.chart .small{font-size:11px}.chart .bold{font-weight:700}
.chart .good{fill:var(--good)}.chart .bad{fill:var(--bad)}.chart .title{font-size:14px;font-weight:700}.chart .mine{fill:var(--ours);font-weight:700}
.chart .grid{stroke:var(--line)}.chart .axis{stroke:var(--axis)}.chart .whisker{stroke:var(--text);stroke-width:1.5;fill:none}
.chart .bar{fill:var(--fill);stroke:var(--other);stroke-width:1.5}.chart .bar.ours{fill:var(--ours);stroke:var(--ours)}
.chart .ours-mark{fill:var(--ours)}.chart .mark{fill:var(--card);stroke:var(--other);stroke-width:2}.chart .mark.ours{fill:var(--ours);stroke:var(--ours)}
.chart .span{stroke:var(--other);stroke-width:2}.chart .span.ours{stroke:var(--ours)}
.chart .series{fill:none;stroke-width:2}.chart .series.ours{stroke-width:3}`;

/** Inside of a page, which has the style and the title already. */
export function inlineSvg(chart: Chart): string {
  const { height, body } = chart;
  return `${open(chart, CHART_WIDTH, height)}${body}</svg>`;
}

/** A file of its own, with its own ground and both schemes. */
export function svgFile(chart: Chart): string {
  const lines = fitText(chart.title, CHART_WIDTH, TITLE_SIZE, 3);
  const head = lines.length * TITLE_LINE + 6;
  const width = CHART_WIDTH + 2 * PADDING;
  const height = chart.height + head + 2 * PADDING;
  const title = lines
    .map((line, at) => `<text class="title" y="${at * TITLE_LINE + TITLE_SIZE}">${escapeMarkup(line)}</text>`)
    .join('');
  return [
    open(chart, width, height, ` width="${width}" height="${height}"`),
    `<style>${palette('.chart')}${CHART_STYLE}.chart .ground{fill:var(--card);stroke:var(--line)}</style>`,
    `<rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    `<g transform="translate(${PADDING} ${PADDING})">${title}`,
    `<g transform="translate(0 ${head})">${chart.body}</g></g></svg>\n`,
  ].join('\n');
}

function open({ file, title, description }: Chart, width: number, height: number, size = ''): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}"${size} role="img" aria-labelledby="${file}-t ${file}-d"><title id="${file}-t">${escapeMarkup(title)}</title><desc id="${file}-d">${escapeMarkup(description)}</desc>`;
}
