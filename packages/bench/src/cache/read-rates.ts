import { median } from '../contest.js';
import type { Figure } from '../result.js';
import { CONTROLS, type Control, startControl } from './control.js';
import { ReaderThreads, type StartReader } from './reader-threads.js';

const FULL = { reads: 1_000_000, warmUp: 5, rounds: 9 };
const QUICK = { reads: 50_000, warmUp: 2, rounds: 3 };

export interface Reader {
  id: string;
  /** `await get` */
  name: string;
  start: StartReader;
}

export interface ReadRatesOptions {
  keys: number;
  /** Measured with so many threads each, the most last. @default one and two */
  threads?: readonly number[];
  quick: boolean;
}

/** Reads per second of all threads together, by their number. */
export type ReadRates = ReadonlyMap<number, number>;

/**
 * What so many threads read, medians of the rounds, by the id of the reader. All readers take turns, and with them
 * the controls, which share nothing: threads that spin in registers get what the machine has, and caches on
 * the heap of each thread what its memory allows as well. No shared cache can scale better than these.
 */
export async function readRates(
  readers: readonly Reader[],
  { keys, threads = [1, 2], quick }: ReadRatesOptions,
): Promise<Map<string, ReadRates>> {
  const { reads, warmUp, rounds } = quick ? QUICK : FULL;
  const most = Math.max(...threads);
  const controls = (Object.keys(CONTROLS) as Control[]).map((control) => ({
    id: control,
    start: startControl(control),
  }));
  const all = [...readers, ...controls].map(({ id, start }) => ({
    id,
    threads: new ReaderThreads(start, { count: most, keys, reads }),
    rates: new Map(threads.map((count) => [count, [] as number[]])),
  }));
  try {
    // Until all have near what they read most.
    for (const { threads } of all) for (let i = 0; i < warmUp; i++) await threads.rate(most);
    for (let i = 0; i < rounds; i++) {
      for (const { threads, rates } of all) {
        for (const [count, measured] of rates) measured.push(await threads.rate(count));
      }
    }
  } finally {
    await Promise.all(all.map(({ threads }) => threads.end()));
  }
  return new Map(
    all.map(({ id, rates }) => [
      id,
      new Map([...rates].map(([count, measured]) => [count, median(measured)])),
    ]),
  );
}

/** The readers' names and those of the controls behind them, by id. */
export function readerNames(readers: readonly Reader[]): Map<string, string> {
  return new Map([...readers.map(({ id, name }) => [id, name] as const), ...Object.entries(CONTROLS)]);
}

/** Of each reader, and of the controls behind them, under `prefix`. `what` they read: `of 10,000 keys`. */
export function rateFigures(
  prefix: string,
  what: string,
  readers: readonly Reader[],
  rates: ReadonlyMap<string, ReadRates>,
): Figure[] {
  return [...readerNames(readers)].flatMap(([id, name]): Figure[] => {
    const [one, two] = oneAndTwo(rates, id);
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
  const [one, two] = oneAndTwo(rates, id);
  return two / one;
}

function oneAndTwo(rates: ReadonlyMap<string, ReadRates>, id: string): [one: number, two: number] {
  const [one, two] = [1, 2].map((threads) => rates.get(id)?.get(threads));
  if (one === undefined || two === undefined) throw new Error(`${id} was not measured`);
  return [one, two];
}
