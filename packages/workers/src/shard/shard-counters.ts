const FIELDS = [
  'operations',
  'applied',
  'position',
  'recovered',
  'volatile',
  'unsynced',
  'oldestAt',
  'logBytes',
  'logFailures',
  'pendingGroups',
  'producers',
  'flushes',
  'flushFailures',
  'unmatched',
  'deadLetters',
  'statements',
  'overheadStatements',
] as const;

/**
 * Beside the plain counts:
 *
 * - `position`: of the operation that was taken last
 * - `volatile`: operations that are neither logged nor committed
 * - `unsynced`: operations that are logged, but not on disk, and not committed
 * - `oldestAt`: when the oldest operation that is not committed came, milliseconds since 1970; 0: there is none
 * - `producers`: threads whose rings it reads
 */
export type ShardCounter = (typeof FIELDS)[number];

const LATENCY_COUNT = FIELDS.length;
const LATENCIES_AT = 32;
const LATENCIES = 64;
const DOUBLES = LATENCIES_AT + LATENCIES;

const INDEX = Object.fromEntries(FIELDS.map((name, index) => [name, index])) as Record<ShardCounter, number>;

/**
 * Counters of all shards in shared memory: each shard writes its own row, anyone reads. Plain loads
 * and stores of aligned doubles: a reader may see a count that is a moment old, not a torn one.
 */
export class ShardCounters {
  readonly memory: SharedArrayBuffer;
  readonly #doubles: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#doubles = new Float64Array(memory);
  }

  static create(shards: number): ShardCounters {
    return new ShardCounters(new SharedArrayBuffer(shards * DOUBLES * 8));
  }

  get(shard: number, counter: ShardCounter): number {
    return this.#doubles[shard * DOUBLES + INDEX[counter]] as number;
  }

  set(shard: number, counter: ShardCounter, value: number): void {
    this.#doubles[shard * DOUBLES + INDEX[counter]] = value;
  }

  add(shard: number, counter: ShardCounter, delta: number): void {
    this.set(shard, counter, this.get(shard, counter) + delta);
  }

  sum(counter: ShardCounter): number {
    let sum = 0;
    for (let at = INDEX[counter]; at < this.#doubles.length; at += DOUBLES)
      sum += this.#doubles[at] as number;
    return sum;
  }

  max(counter: ShardCounter): number {
    let max = 0;
    for (let at = INDEX[counter]; at < this.#doubles.length; at += DOUBLES) {
      max = Math.max(max, this.#doubles[at] as number);
    }
    return max;
  }

  /** When the oldest operation that is not committed came, over all shards, milliseconds since 1970. */
  get oldestAt(): number | undefined {
    let oldest = Number.POSITIVE_INFINITY;
    for (let at = INDEX.oldestAt; at < this.#doubles.length; at += DOUBLES) {
      const each = this.#doubles[at] as number;
      if (each > 0 && each < oldest) oldest = each;
    }
    return oldest === Number.POSITIVE_INFINITY ? undefined : oldest;
  }

  addLatency(shard: number, durationMs: number): void {
    const row = shard * DOUBLES;
    const count = this.#doubles[row + LATENCY_COUNT] as number;
    this.#doubles[row + LATENCIES_AT + (count % LATENCIES)] = durationMs;
    this.#doubles[row + LATENCY_COUNT] = count + 1;
  }

  /** Of the last 64 committed flushes of each shard. */
  latencyMs(): { p50: number; p99: number; max: number } {
    const durations: number[] = [];
    for (let row = 0; row < this.#doubles.length; row += DOUBLES) {
      const count = Math.min(this.#doubles[row + LATENCY_COUNT] as number, LATENCIES);
      for (let i = 0; i < count; i++) durations.push(this.#doubles[row + LATENCIES_AT + i] as number);
    }
    durations.sort((a, b) => a - b);
    const at = (share: number) => durations[Math.ceil(share * durations.length) - 1] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}
