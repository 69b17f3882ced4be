import type { SharedLRU } from 'sharedarraybuffer-lru';
import type { BloomGate } from '../bloom/bloom-gate.js';
import type { L2 } from '../l2/l2.js';
import type { TierEntry } from '../l2/shared-tier.js';
import type { Loaders } from '../load/loaders.js';
import type { FleetFlight } from './fleet-flight.js';

export interface ReaderParts {
  l1: SharedLRU;
  l2: L2 | undefined;
  /** Undefined without L2: a value comes from another node through it. */
  fleet: FleetFlight | undefined;
  bloom: BloomGate | undefined;
  loaders: Loaders;
  /** Time to live of a value that was loaded from the database, milliseconds. */
  defaultTtlMs: number;
}

/**
 * What happens to a read: L1 → L2 → Bloom filter → loader, filling upwards.
 *
 * `peek` is all of it that a hit needs. A miss joins the flight of its key (single flight) or starts
 * one; flights that start together share one L2 round trip and one query per loader. Before a load
 * the nodes agree on who does it (`FleetFlight`).
 */
export class Reader {
  readonly #parts: ReaderParts;
  readonly #flights = new Map<string, Promise<Buffer | undefined>>();
  l1Hits = 0;
  l1Misses = 0;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** L1 only. The Buffer is to be read only. */
  peek(key: string): Buffer | undefined {
    const value = this.#parts.l1.get(key);
    if (value === undefined) this.l1Misses += 1;
    else this.l1Hits += 1;
    return value;
  }

  /** The way of a key that L1 does not have. */
  async miss(key: string): Promise<Buffer | undefined> {
    const joined = this.#flights.get(key);
    // Callers own what they get: only the one that started the flight may have the original.
    if (joined !== undefined) return copy(await joined);
    const flight = this.#fly([key]);
    return this.#take(key, flight);
  }

  /** Values of the keys that were found. */
  async getMany(keys: readonly string[]): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    const joined: [key: string, flight: Promise<Buffer | undefined>][] = [];
    const missing: string[] = [];
    for (const key of new Set(keys)) {
      const value = this.peek(key);
      const flight = value === undefined ? this.#flights.get(key) : undefined;
      if (value !== undefined) found.set(key, value);
      else if (flight !== undefined) joined.push([key, flight]);
      else missing.push(key);
    }
    if (missing.length > 0) {
      const flight = this.#fly(missing);
      await Promise.all(
        missing.map(async (key) => {
          const value = await this.#take(key, flight);
          if (value !== undefined) found.set(key, value);
        }),
      );
    }
    for (const [key, flight] of joined) {
      const value = copy(await flight);
      if (value !== undefined) found.set(key, value);
    }
    return found;
  }

  /**
   * A write or delete of the key happened: what is in flight may be older. It still answers those who
   * asked before the write, but nobody joins it any more, and its fill is refused by the fill token.
   */
  supersede(key: string): void {
    this.#flights.delete(key);
  }

  #take(key: string, group: Promise<Map<string, Buffer>>): Promise<Buffer | undefined> {
    const flight = group.then((values) => values.get(key));
    this.#flights.set(key, flight);
    const land = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.then(land, land);
    return flight;
  }

  async #fly(keys: readonly string[]): Promise<Map<string, Buffer>> {
    const { l1, l2, fleet, bloom, loaders, defaultTtlMs } = this.#parts;
    const tokens = new Map(keys.map((key) => [key, l1.fillToken(key)]));
    const token = (key: string) => tokens.get(key) as number;
    const values = new Map<string, Buffer>();
    const take = (key: string, { value, remainingTtlMs }: TierEntry) => {
      values.set(key, value);
      if (remainingTtlMs > 0) l1.fill(key, value, token(key), { ttl: remainingTtlMs });
    };

    if (l2 !== undefined) {
      for (const [key, entry] of await l2.getMany(keys)) take(key, entry);
      if (values.size === keys.length) return values;
    }

    await Promise.all(
      keys.map(async (key) => {
        if (values.has(key)) return;
        if (bloom !== undefined && !(await bloom.mayExist(key))) return;
        const turn = await fleet?.turn(key);
        if (turn?.entry !== undefined) return take(key, turn.entry);
        let filled: Promise<unknown> | undefined;
        try {
          const value = await loaders.load(key);
          if (value === undefined) return;
          values.set(key, value);
          l1.fill(key, value, token(key), { ttl: defaultTtlMs });
          // A write since the flight began has put, or will put, its own value there.
          const isCurrent = l1.fillToken(key) === token(key);
          filled = isCurrent ? l2?.fill(key, value, defaultTtlMs) : Promise.resolve();
        } finally {
          turn?.land(filled);
        }
      }),
    );
    return values;
  }
}

function copy(value: Buffer | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
