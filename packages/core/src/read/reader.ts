import type { SharedLRU } from 'sharedarraybuffer-lru';
import { digestOf } from '../audit/digest.js';
import type { BloomGate } from '../bloom/bloom-gate.js';
import type { Coherence } from '../coherence/coherence.js';
import type { L2 } from '../l2/l2.js';
import type { TierEntry, TierLease } from '../l2/shared-tier.js';
import type { Loaders } from '../load/loaders.js';
import type { EarlyLoads } from './early-loads.js';
import type { FleetFlight } from './fleet-flight.js';
import type { RecentWrites } from './recent-writes.js';

export interface ReaderParts {
  l1: SharedLRU;
  l2: L2 | undefined;
  /** Undefined without L2, through which a value comes from another node. */
  fleet: FleetFlight | undefined;
  /** Undefined without Redis: this is the only node. */
  coherence: Coherence | undefined;
  bloom: BloomGate | undefined;
  loaders: Loaders;
  /** Undefined without a replica. */
  recent: RecentWrites | undefined;
  /** Time to live of a value that was loaded from the database, milliseconds. */
  defaultTtlMs: number;
}

/**
 * What happens to a read: L1 → L2 → Bloom filter → loader, filling upwards.
 *
 * `peek` (as a promise: `hit`) is all of it that a hit needs. A miss joins the flight of its key (single flight) or starts
 * one; flights that start together share one L2 round trip and one query per loader. Before a load
 * the nodes agree on who does it (`FleetFlight`).
 */
export class Reader {
  readonly #parts: ReaderParts;
  readonly #flights = new Map<string, Flight>();
  /** Flights that have begun. */
  started = 0;
  /** As long as the database lacks what an earlier process had acknowledged. */
  early: EarlyLoads | undefined;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** L1 only. The Buffer is to be read only. */
  peek(key: string): Buffer | undefined {
    return this.#parts.l1.get(key);
  }

  /** L1 only, too. */
  hit(key: string): Promise<Buffer> | undefined {
    return this.#parts.l1.promised(key);
  }

  /**
   * The way of a key that L1 did not have when another thread looked: it may have been filled since. The look
   * is counted only if it finds something, since the miss was.
   */
  missElsewhere(key: string): Promise<Buffer | undefined> {
    const { l1 } = this.#parts;
    const value = l1.has(key) ? l1.get(key) : undefined;
    return value === undefined ? this.miss(key) : Promise.resolve(value);
  }

  /** Eight bytes that tell the value in L1 from another one. */
  digest(key: string): Buffer | undefined {
    const value = this.#parts.l1.get(key);
    return value && digestOf(value);
  }

  /** The way of a key that L1 does not have. */
  async miss(key: string): Promise<Buffer | undefined> {
    const joined = this.#join(key);
    // Callers own what they get: only the one that started the flight may have the original.
    if (joined !== undefined) return copy(await joined);
    return this.#take(key, this.#fly([key]));
  }

  /** Values of the keys that were found. */
  async getMany(keys: readonly string[]): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    const joined: [key: string, flight: Promise<Buffer | undefined>][] = [];
    const missing: string[] = [];
    for (const key of new Set(keys)) {
      const value = this.peek(key);
      const flight = value === undefined ? this.#join(key) : undefined;
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
    this.#parts.recent?.add(key);
  }

  /** Any key may have been written. */
  supersedeAll(): void {
    this.#flights.clear();
    this.#parts.recent?.addAll();
  }

  /** The flight of the key, unless what it brings could be older than anything in L1 may be. */
  #join(key: string): Promise<Buffer | undefined> | undefined {
    const flight = this.#flights.get(key);
    return flight !== undefined && this.#l1Ttl(1, flight.sinceMs) > 0 ? flight.value : undefined;
  }

  #take(key: string, group: Promise<Map<string, Buffer>>): Promise<Buffer | undefined> {
    const value = group.then((values) => values.get(key));
    const flight = { value, sinceMs: performance.now() };
    this.#flights.set(key, flight);
    const land = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    value.then(land, land);
    return value;
  }

  async #fly(keys: readonly string[]): Promise<Map<string, Buffer>> {
    const { l1, l2, bloom } = this.#parts;
    this.started += 1;
    this.early?.add(keys);
    const tokens = new Map(keys.map((key) => [key, l1.fillToken(key)]));
    const token = (key: string) => tokens.get(key) as number;
    const sinceMs = performance.now();
    const values = new Map<string, Buffer>();

    if (l2 !== undefined) {
      for (const [key, entry] of await l2.getMany(keys)) {
        if (this.#believes(entry)) values.set(key, this.#kept(key, entry, token(key), sinceMs));
      }
      if (values.size === keys.length) return values;
    }

    await Promise.all(
      keys.map(async (key) => {
        if (values.has(key)) return;
        if (bloom !== undefined && !(await bloom.mayExist(key))) return;
        const value = await this.#load(key, token(key));
        if (value !== undefined) values.set(key, value);
      }),
    );
    return values;
  }

  /** From the database, or from L2 if another node was faster or is waited for. */
  async #load(key: string, token: number): Promise<Buffer | undefined> {
    const sinceMs = performance.now();
    const { l2, fleet, coherence, loaders, recent, defaultTtlMs } = this.#parts;
    const isInDoubt = coherence?.isInDoubt === true;
    // Both at once: one round trip. A lease of L2 is shared, so to wait with it takes it from nobody.
    const turning = isInDoubt ? undefined : fleet?.turn(key);
    const found = isInDoubt ? undefined : await l2?.lease(key);
    let lease: TierLease | undefined;
    if (Buffer.isBuffer(found)) lease = found;
    else if (found !== undefined && this.#believes(found)) {
      void Promise.resolve(turning).then((turn) => turn?.land(Promise.resolve()));
      return this.#kept(key, found, token, sinceMs);
    }
    const turn = await turning;
    if (turn?.entry !== undefined && this.#believes(turn.entry))
      return this.#kept(key, turn.entry, token, sinceMs);
    let value: Buffer | undefined;
    let filled: Promise<unknown> | undefined;
    try {
      const mustBeNew = coherence?.isInDoubt === true || recent?.has(key) === true;
      const loadedSinceMs = performance.now();
      value = await loaders.load(key, mustBeNew ? 'primary' : 'replica');
      if (value === undefined) return undefined;
      this.#fill(key, value, token, defaultTtlMs, loadedSinceMs);
      // Refused by L2 if anything happened to the key since the load began, on whichever node.
      if (lease !== undefined) filled = l2?.fill(key, value, defaultTtlMs, lease);
      return value;
    } finally {
      if (value === undefined && lease !== undefined) l2?.giveBack(key, lease);
      turn?.land(filled);
    }
  }

  /** While writes of other nodes may have passed L2 by, only what the database does not know better. */
  #believes(entry: TierEntry): boolean {
    return entry.kind === 'cached' || this.#parts.coherence?.isInDoubt !== true;
  }

  #kept(key: string, { value, remainingTtlMs }: TierEntry, token: number, sinceMs: number): Buffer {
    this.#fill(key, value, token, remainingTtlMs, sinceMs);
    return value;
  }

  #fill(key: string, value: Buffer, token: number, ttlMs: number, sinceMs: number): void {
    const ttl = this.#l1Ttl(ttlMs, sinceMs);
    if (ttl > 0) this.#parts.l1.fill(key, value, token, { ttl });
  }

  #l1Ttl(ttlMs: number, sinceMs: number): number {
    return this.#parts.coherence?.l1Ttl(ttlMs, sinceMs) ?? ttlMs;
  }
}

/** A load under way, since when (`performance.now`). */
interface Flight {
  readonly value: Promise<Buffer | undefined>;
  readonly sinceMs: number;
}

function copy(value: Buffer | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
