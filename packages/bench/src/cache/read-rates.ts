import { median } from '../contest.js';
import type { Figure } from '../result.js';
import { CONTROLS, type Control, startControl } from './control.js';
import { ReaderPair, type StartReader } from './reader-pair.js';

const WARM_UP = 5;

export interface Reader {
  id: string;
  /** `await get` */
  name: string;
  start: StartReader;
}

export interface ReadRates {
  /** Reads per second of one thread, and of two. */
  one: number;
  two: number;
}

/**
 * What two threads read and one, medians of the rounds, by the id of the reader. All readers take turns, and with them
 * the controls, which share nothing: two threads that spin in registers get what the machine has, and caches on
 * the heap of each thread what its memory allows as well. No shared cache can scale better than these.
 */
export async function readRates(
  readers: readonly Reader[],
  keys: number,
  quick: boolean,
): Promise<Map<string, ReadRates>> {
  const controls = (Object.keys(CONTROLS) as Control[]).map((control) => ({
    id: control,
    start: startControl(control),
  }));
  const pairs = [...readers, ...controls].map(({ id, start }) => ({
    id,
    pair: new ReaderPair(start, { keys, reads: quick ? 100_000 : 1_000_000 }),
    one: [] as number[],
    two: [] as number[],
  }));
  // Until all have near what they read most.
  for (const { pair } of pairs) for (let i = 0; i < WARM_UP; i++) await pair.rate(2);
  for (let i = 0; i < (quick ? 3 : 9); i++) {
    for (const { pair, one, two } of pairs) {
      one.push(await pair.rate(1));
      two.push(await pair.rate(2));
    }
  }
  for (const { pair } of pairs) pair.end();
  return new Map(pairs.map(({ id, one, two }) => [id, { one: median(one), two: median(two) }]));
}

/** Of each reader, and of the controls behind them, under `prefix`. `what` they read: `of 10,000 keys`. */
export function rateFigures(
  prefix: string,
  what: string,
  readers: readonly Reader[],
  rates: ReadonlyMap<string, ReadRates>,
): Figure[] {
  const names = [...readers.map(({ id, name }) => [id, name] as const), ...Object.entries(CONTROLS)];
  return names.flatMap(([id, name]): Figure[] => {
    const { one, two } = ratesOf(rates, id);
    return [
      { id: `${prefix}.${id}.1`, name: `${name} ${what}, one thread`, value: one, unit: '/s' },
      { id: `${prefix}.${id}.2`, name: `${name} ${what}, two threads`, value: two, unit: '/s' },
      {
        id: `${prefix}.${id}.scale`,
        name: `${name} ${what}, two threads against one`,
        value: two / one,
        unit: '×',
      },
    ];
  });
}

/** How many times as much two threads read as one did. */
export function scaleOf(rates: ReadonlyMap<string, ReadRates>, id: string): number {
  const { one, two } = ratesOf(rates, id);
  return two / one;
}

function ratesOf(rates: ReadonlyMap<string, ReadRates>, id: string): ReadRates {
  const found = rates.get(id);
  if (found === undefined) throw new Error(`${id} was not measured`);
  return found;
}
