/** Buckets for each doubling. */
const STEPS = 16;
const LEAST_MS = 0.01;

/** Counts of times in buckets that are 4 % wide; the greatest is exact. */
export class Histogram {
  count = 0;
  max = 0;
  readonly #buckets = new Map<number, number>();

  add(ms: number): void {
    this.count += 1;
    this.max = Math.max(this.max, ms);
    const bucket = ms < LEAST_MS ? -1 : Math.floor(Math.log2(ms / LEAST_MS) * STEPS);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
  }

  /** The upper end of the bucket; 0: nothing was added, or what is asked for is below 0.01 ms. */
  percentile(share: number): number {
    let left = Math.ceil(this.count * share);
    for (const [bucket, count] of [...this.#buckets].sort(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return bucket < 0 ? 0 : Math.min(LEAST_MS * 2 ** ((bucket + 1) / STEPS), this.max);
    }
    return 0;
  }

  toString(): string {
    const [p50, p99] = [this.percentile(0.5), this.percentile(0.99)];
    return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${this.max.toFixed(1)} ms`;
  }
}
