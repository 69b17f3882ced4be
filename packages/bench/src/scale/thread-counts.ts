/** A thread needs some tens of megabytes, and each way to read has as many as the last point of its curve. */
const MOST_CORES = 16;

/** Powers of two up to the cores of the machine, these, and twice as many: what happens when there are too few. */
export function threadCounts(cores: number): number[] {
  const enough = Math.min(Math.max(2, cores), MOST_CORES);
  const counts = new Set([enough, 2 * enough]);
  for (let count = 1; count < enough; count *= 2) counts.add(count);
  return [...counts].sort((a, b) => a - b);
}
