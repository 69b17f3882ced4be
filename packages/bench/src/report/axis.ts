import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale';
import { CHART_WIDTH } from './chart.js';
import { escapeMarkup } from './markup.js';
import { textWidth } from './text-fit.js';

export type Scale = ScaleContinuousNumeric<number, number>;

/** From here on the small ones among the values would be a line of a pixel. */
const ORDERS_OF_MAGNITUDE = 20;
const TICK_SIZE = 11;

/** Finite values only, and at least one; logarithmic where they span more than an order of magnitude. */
export interface AxisChoice {
  scale: Scale;
  isLog: boolean;
}

/** @param from where bars begin, on a linear axis: it is always part of it */
export function chooseAxis(values: readonly number[], range: [number, number], from = 0): AxisChoice {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  if (low > 0 && high / low >= ORDERS_OF_MAGNITUDE) {
    return { scale: scaleLog().domain([low, high]).range(range).nice(), isLog: true };
  }
  const domain = [Math.min(from, low), Math.max(from, high)];
  if (!((domain[0] as number) < (domain[1] as number))) domain[1] = (domain[0] as number) + 1;
  return { scale: scaleLinear().domain(domain).range(range).nice(5), isLog: false };
}

/** Those that have room beside each other; of a logarithmic axis powers of ten, or 1, 2 and 5. */
export function ticksOf(
  { scale, isLog }: AxisChoice,
  format: (value: number) => string,
  vertical = false,
): number[] {
  const [low = 0, high = 1] = scale.domain();
  const decades = Math.log10(high / low);
  const all = isLog
    ? scale.ticks().filter((tick) => [1, ...(decades > 2.5 ? [] : [2, 5])].includes(leadingDigit(tick)))
    : scale.ticks(5);
  const kept: number[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const tick of all) {
    const room = vertical ? 16 : textWidth(format(tick), TICK_SIZE) + 8;
    const at = vertical ? -scale(tick) : scale(tick);
    if (at - room / 2 < end) continue;
    kept.push(tick);
    end = at + room / 2;
  }
  return kept;
}

/** Lines from `top` to `bottom` with their values below. */
export function horizontalAxis(
  choice: AxisChoice,
  top: number,
  bottom: number,
  format: (value: number) => string,
  ticks: readonly number[] = ticksOf(choice, format),
): string {
  return ticks
    .map((tick) => {
      const x = round(choice.scale(tick));
      const label = escapeMarkup(format(tick));
      // Labels at the ends stay inside of the drawing.
      const half = textWidth(format(tick), TICK_SIZE) / 2;
      const anchor = x < half ? 'start' : x + half > CHART_WIDTH ? 'end' : 'middle';
      return `<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}"/><text class="muted small" x="${x}" y="${bottom + 16}" text-anchor="${anchor}">${label}</text>`;
    })
    .join('');
}

export function compact(value: number): string {
  return value.toLocaleString('en-US', { notation: 'compact', maximumSignificantDigits: 3 });
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function leadingDigit(value: number): number {
  return Number(value.toExponential(0)[0]);
}
