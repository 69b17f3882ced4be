import { setImmediate } from 'node:timers/promises';
import { Bench } from 'tinybench';
import type { Contest, Spread, Standing } from './result.js';

/** One way to do the work that all contenders of a contest do. */
export interface Contender {
  name: string;
  /** What has happened when the call has answered: `copied from shared memory`, `on disk in PostgreSQL`. */
  does: string;
  /** Of this project. The first of these is what all are measured against. @default false */
  ours?: boolean;
  /** Operations that one call of `run` carries out; some hundreds, where one takes nanoseconds. */
  operations: number;
  /** Called before each `run` (and waited for), and not measured. */
  before?: () => void | Promise<void>;
  run: () => void | Promise<void>;
}

export interface Rounds {
  rounds: number;
  /** Milliseconds per contender and round. */
  roundMs: number;
  /** Per contender and round at least, however long one takes. @default 3 */
  samples?: number;
}

export interface ContestOptions extends Rounds {
  id: string;
  title: string;
  /** @default 'time' */
  show?: 'time' | 'rate';
}

interface Sample {
  p50: number;
  p75: number;
  p99: number;
}

/**
 * Measures contenders in turns, so that the drift of a noisy machine hits all alike: each round is a
 * short tinybench run of every one of them.
 */
export async function contest(contenders: readonly Contender[], options: ContestOptions): Promise<Contest> {
  const { id, title, show = 'time', rounds } = options;
  const samples = contenders.map((): Sample[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, contender] of contenders.entries()) {
      samples[at]?.push(await measure(contender, options, round === 0));
    }
  }
  return { id, title, show, standings: rank(contenders, samples) };
}

async function measure(
  contender: Contender,
  { roundMs, samples = 3 }: Rounds,
  isFirst: boolean,
): Promise<Sample> {
  const { name, operations, before, run } = contender;
  const bench = new Bench({
    time: roundMs,
    warmupTime: isFirst ? roundMs : roundMs / 10,
    warmupIterations: 1,
    iterations: samples,
    throws: true,
  });
  bench.add(name, run, before === undefined ? {} : { beforeEach: before });
  const [task] = await bench.run();
  // tinybench never gives the event loop a turn, and an engine has a lease to renew.
  await setImmediate();
  const result = task?.result;
  if (result === undefined || !('latency' in result)) throw new Error(`${name} was not measured`);
  const ns = (ms: number) => (ms * 1e6) / operations;
  const { p50, p75, p99 } = result.latency;
  return { p50: ns(p50), p75: ns(p75), p99: ns(p99) };
}

function rank(contenders: readonly Contender[], samples: readonly Sample[][]): Standing[] {
  const reference = samples[contenders.findIndex(({ ours }) => ours === true)] ?? [];
  return contenders.map(({ name, does, ours = false, operations }, at) => {
    const mine = samples[at] as Sample[];
    const of = (percentile: keyof Sample) => median(mine.map((sample) => sample[percentile]));
    const ratio = spread(mine.map(({ p50 }, round) => p50 / (reference[round]?.p50 ?? Number.NaN)));
    return { name, does, ours, operations, p50: of('p50'), p75: of('p75'), p99: of('p99'), ratio };
  });
}

/** By its name. @throws Error when there is none: a bar must not be met by a typing error. */
export function standing({ id, standings }: Contest, name: string): Standing {
  const found = standings.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no ${name} in ${id}`);
  return found;
}

/** How many times as long `slower` took as `faster` did; medians of the rounds. */
export function ratioOf(contest: Contest, slower: string, faster: string): number {
  return standing(contest, slower).p50 / standing(contest, faster).p50;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
}
