import { setImmediate } from 'node:timers/promises';
import { Bench } from 'tinybench';

/** One way to do the work that all contenders of a contest do. */
export interface Contender {
  name: string;
  /** Operations that one call of `run` carries out; some hundreds, where one takes nanoseconds. */
  operations: number;
  /** Called before each `run`, and not measured. */
  before?: () => void;
  run: () => void | Promise<void>;
}

export interface Standing {
  name: string;
  /** Median over the rounds of each round's median, nanoseconds per operation. */
  nsPerOp: number;
  /** Slowest round against the fastest. */
  spread: number;
}

export interface Rounds {
  rounds: number;
  /** Milliseconds per contender and round. */
  roundMs: number;
}

/**
 * Measures contenders in turns, so that the drift of a noisy machine hits all alike: each round is a
 * short tinybench run of every one of them.
 */
export async function contest(
  contenders: readonly Contender[],
  { rounds, roundMs }: Rounds,
): Promise<Standing[]> {
  const samples = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, { name, operations, before, run }] of contenders.entries()) {
      const warmupTime = round === 0 ? roundMs : roundMs / 10;
      const bench = new Bench({
        time: roundMs,
        warmupTime,
        warmupIterations: 1,
        iterations: 3,
        throws: true,
      });
      bench.add(name, run, before === undefined ? {} : { beforeEach: before });
      const [task] = await bench.run();
      // tinybench never gives the event loop a turn, and an engine has a lease to renew.
      await setImmediate();
      const result = task?.result;
      if (result === undefined || !('latency' in result)) throw new Error(`${name} was not measured`);
      samples[at]?.push((result.latency.p50 * 1e6) / operations);
    }
  }
  return contenders.map(({ name }, at) => {
    const sorted = (samples[at] ?? []).sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
    return { name, nsPerOp: median, spread: (sorted.at(-1) ?? Number.NaN) / (sorted[0] ?? Number.NaN) };
  });
}
