import { performance } from 'node:perf_hooks';

/** What ids need to know of time. Injected, so that tests can step it. */
export interface IdClock {
  /** Wall clock, whole milliseconds since 1970. May step in both directions. */
  nowMs(): number;
  /**
   * Milliseconds since any fixed moment, the same for all threads of the process; never steps back
   * and goes on while the process is stopped by a signal.
   */
  monotonicMs(): number;
  /** Blocks the thread for about `ms` milliseconds. */
  wait(ms: number): void;
  /** Calls `run` once after `ms` milliseconds, without keeping the process alive. Returns the cancel. */
  after(ms: number, run: () => void): () => void;
}

/**
 * The clocks of the machine.
 *
 * `performance.now()` counts from the start of its thread, so each thread adds the distance to
 * `process.hrtime`, which all threads share; both read CLOCK_MONOTONIC, so the distance is constant.
 * Calling `hrtime.bigint()` itself for every id would allocate a BigInt per id.
 */
export function systemClock(): IdClock {
  const distanceMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now() + distanceMs,
    wait: (ms) => void Atomics.wait(sleeper, 0, 0, ms),
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
