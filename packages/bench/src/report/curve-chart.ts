import {
  line,
  type SymbolType,
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
} from 'd3-shape';
import { quantity } from '../format.js';
import type { Axis, Curve } from '../result.js';
import { type AxisChoice, chooseAxis, compact, horizontalAxis, round, ticksOf } from './axis.js';
import { CHART_WIDTH, type Chart } from './chart.js';
import { escapeMarkup } from './markup.js';
import { SERIES_COLOURS } from './palette.js';
import { fitText } from './text-fit.js';

interface Look {
  colour: string;
  shape: SymbolType;
  /** Of its line. */
  dashes: string;
}

type Series = Curve['series'][number];

const OURS: readonly SymbolType[] = [symbolDiamond, symbolCircle];
const SHAPES: readonly SymbolType[] = [symbolCircle, symbolSquare, symbolTriangle, symbolCross, symbolStar];
const DASHES = ['6 3', '2 3', '9 3 2 3', '12 4', '4 2 1 2'] as const;
const LEFT = 60;
const PLOT = 210;
const TOP = 22;

/** Lines with a shape and a dash of their own; undefined when not a point can be drawn. */
export function curveChart({ title, x, y, series }: Curve, file: string): Chart | undefined {
  const measured = series.map(({ name, ours, points }) => ({
    name,
    ours,
    points: points.filter((point) => point.every(Number.isFinite)),
  }));
  const all = measured.flatMap(({ points }) => points);
  if (all.length === 0) return undefined;
  const xs = chooseAxis(
    all.map(([at]) => at),
    [LEFT + 8, CHART_WIDTH - 14],
    Math.min(...all.map(([at]) => at)),
  );
  const ys = chooseAxis(
    all.map(([, at]) => at),
    [TOP + PLOT, TOP + 8],
  );
  // The lowest value is no zero: its mark has to clear the labels below.
  if (ys.isLog) ys.scale.range([TOP + PLOT - 10, TOP + 8]);
  const looks = looksOf(measured);
  const bottom = TOP + PLOT;
  const xName = `${axisName(x, xs)} →`;
  let at = bottom + 48;
  const legend = measured.map((each, index) => {
    const svg = legendSvg(each, looks[index] as Look, at);
    at += svg.height;
    return svg.svg;
  });
  return {
    file,
    title,
    description: `${y.name} by ${x.name}. ${measured.map((each) => describe(each, x, y)).join('; ')}.`,
    height: at + 4,
    body: [
      `<text class="muted small" y="12">↑ ${escapeMarkup(fitText(axisName(y, ys), CHART_WIDTH - 20, 11)[0] ?? '')}</text>`,
      horizontalAxis(xs, TOP, bottom, (value) => tickText(value, x), stepsOf(all.map(([at]) => at))),
      verticalAxis(ys, y),
      `<path class="axis" fill="none" d="M${LEFT} ${TOP}V${bottom}H${CHART_WIDTH}"/>`,
      `<text class="muted small" x="${CHART_WIDTH}" y="${bottom + 34}" text-anchor="end">${escapeMarkup(fitText(xName, CHART_WIDTH, 11)[0] ?? '')}</text>`,
      // Ours last, on top of the others.
      ...measured
        .map((each, index) => [each, looks[index] as Look] as const)
        .sort(([one], [other]) => Number(one.ours) - Number(other.ours))
        .map(([each, look]) => seriesSvg(each, look, xs, ys)),
      ...legend,
    ].join(''),
  };
}

/** Where it was measured, if that is in few places: there are no 1.4 threads. */
function stepsOf(xs: readonly number[]): number[] | undefined {
  const steps = [...new Set(xs)].sort((a, b) => a - b);
  return steps.length <= 6 ? steps : undefined;
}

function looksOf(series: readonly Series[]): Look[] {
  let mine = 0;
  let others = 0;
  return series.map(({ ours }) => {
    if (ours) {
      const shape = OURS[mine % OURS.length] as SymbolType;
      const dashes = mine === 0 ? '' : (DASHES[(mine - 1) % DASHES.length] as string);
      mine += 1;
      return { colour: '--ours', shape, dashes };
    }
    const look = {
      colour: SERIES_COLOURS[others % SERIES_COLOURS.length] as string,
      shape: SHAPES[others % SHAPES.length] as SymbolType,
      dashes: DASHES[others % DASHES.length] as string,
    };
    others += 1;
    return look;
  });
}

function seriesSvg(
  { name, ours, points }: Series,
  { colour, shape, dashes }: Look,
  xs: AxisChoice,
  ys: AxisChoice,
): string {
  const drawn = points.toSorted(([one], [other]) => one - other);
  const path = line<[number, number]>(
    ([x]) => round(xs.scale(x)),
    ([, y]) => round(ys.scale(y)),
  )(drawn);
  const marks = drawn.map(
    ([x, y]) =>
      `<path d="${symbol(shape, ours ? 64 : 44)()}" transform="translate(${round(xs.scale(x))} ${round(ys.scale(y))})" style="fill:var(${ours ? colour : '--card'});stroke:var(${colour});stroke-width:2" class="point"/>`,
  );
  return `<g class="row"><title>${escapeMarkup(name)}</title><path class="series${ours ? ' ours' : ''}" style="stroke:var(${colour})"${dashes === '' ? '' : ` stroke-dasharray="${dashes}"`} d="${path ?? ''}"/>${marks.join('')}</g>`;
}

function legendSvg(
  { name, ours }: Series,
  { colour, shape, dashes }: Look,
  y: number,
): { svg: string; height: number } {
  const lines = fitText(name, (CHART_WIDTH - 46) / (ours ? 1.08 : 1), 12, 2);
  const sample = `<line x1="0" x2="34" y1="${y + 8}" y2="${y + 8}" style="stroke:var(${colour});stroke-width:${ours ? 3 : 2}"${dashes === '' ? '' : ` stroke-dasharray="${dashes}"`}/><path d="${symbol(shape, ours ? 64 : 44)()}" transform="translate(17 ${y + 8})" style="fill:var(${ours ? colour : '--card'});stroke:var(${colour});stroke-width:2"/>`;
  const texts = lines.map(
    (text, at) =>
      `<text${ours ? ' class="mine"' : ''} x="44" y="${y + 12 + at * 15}">${escapeMarkup(text)}</text>`,
  );
  return { svg: sample + texts.join(''), height: lines.length * 15 + 7 };
}

function verticalAxis(choice: AxisChoice, axis: Axis): string {
  return ticksOf(choice, (value) => tickText(value, axis), true)
    .map((tick) => {
      const y = round(choice.scale(tick));
      return `<line class="grid" x1="${LEFT}" x2="${CHART_WIDTH}" y1="${y}" y2="${y}"/><text class="muted small" x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${escapeMarkup(tickText(tick, axis))}</text>`;
    })
    .join('');
}

function tickText(value: number, { unit }: Axis): string {
  if (unit === '' || unit === '/s' || unit === '/ms') return compact(value);
  return quantity(value, unit);
}

function axisName({ name, unit }: Axis, { isLog }: AxisChoice): string {
  const per = unit === '/s' ? ' per second' : unit === '/ms' ? ' per millisecond' : '';
  return `${name}${per}${isLog ? ' (logarithmic)' : ''}`;
}

function describe({ name, ours, points }: Series, x: Axis, y: Axis): string {
  const words = points.map(([at, value]) => `${quantity(at, x.unit)}: ${quantity(value, y.unit)}`);
  return `${name}${ours ? ' (zmsg)' : ''}: ${words.join(', ')}`;
}
