const OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds of the machine's monotonic clock: the same for all of its processes, and never set. */
export function monotonicMs(): number {
  return performance.now() + OFFSET_MS;
}
