import type { ShardsStats } from '@zmsg/workers';
import type { SharedCacheStats, SharedLRU } from 'sharedarraybuffer-lru';
import type { BloomGate } from './bloom/bloom-gate.js';
import type { Coherence, CoherenceStats } from './coherence/coherence.js';
import type { L2 } from './l2/l2.js';
import type { Loaders } from './load/loaders.js';
import type { FleetFlight, FleetFlightStats } from './read/fleet-flight.js';
import type { Store } from './store/store.js';

export interface EngineStats {
  /** Reads of this engine that L1 answered, 0 to 1; of all threads, see `l1`. */
  l1HitRate: number;
  /** Reads that L2 answered, of those that L1 did not; 0 without L2. */
  l2HitRate: number;
  l1: SharedCacheStats;
  /** Undefined without Redis. */
  l2: ReturnType<L2['stats']> | undefined;
  /** Loads that this node did for all nodes, and had done by another one. Undefined without Redis. */
  flight: FleetFlightStats | undefined;
  /** What is heard of the other nodes. Undefined without Redis. */
  coherence: CoherenceStats | undefined;
  /** Undefined with `bloom_enabled: false`. */
  bloom: ReturnType<BloomGate['stats']> | undefined;
  /** Keys asked of the database, and the queries they took. */
  load: { keys: number; queries: number };
  /** Statements of strong writes, queries and loads; the shards count their own. */
  store: { statements: number };
  shards: ShardsStats;
}

export interface StatsParts {
  l1: SharedLRU;
  l2: L2 | undefined;
  fleet: FleetFlight | undefined;
  coherence: Coherence | undefined;
  bloom: BloomGate | undefined;
  loaders: Loaders;
  stores: readonly Store[];
  shards: { stats(): ShardsStats };
}

export function collectStats(parts: StatsParts): EngineStats {
  const { l1, l2, fleet, coherence, bloom, loaders, stores, shards } = parts;
  const tier = l2?.stats();
  return {
    ...l1Stats(l1),
    l2HitRate: tier === undefined ? 0 : ratio(tier.hits, tier.misses),
    l2: tier,
    flight: fleet?.stats(),
    coherence: coherence?.stats(),
    bloom: bloom?.stats(),
    load: { keys: loaders.loads, queries: loaders.queries },
    store: { statements: stores.reduce((sum, store) => sum + store.statements, 0) },
    shards: shards.stats(),
  };
}

/** From shared memory: any thread can ask. */
export function l1Stats(l1: SharedLRU): Pick<EngineStats, 'l1' | 'l1HitRate'> {
  const stats = l1.stats();
  return { l1: stats, l1HitRate: ratio(stats.hits, stats.misses) };
}

function ratio(hits: number, misses: number): number {
  return hits + misses === 0 ? 0 : hits / (hits + misses);
}
