import { BOSS_CONNECTIONS } from '../delay/open-delay-queue.js';
import type { ResolvedOptions } from '../options/resolved.js';

/**
 * One budget for the whole node: the delay queue on PostgreSQL gets its two, the shards up to 70 % of the
 * rest, calls what remains. With the default of 25 that is one for each of 16 shards, which then keep
 * theirs; shards with fewer connect anew for each flush (flushing every 50 ms, that took four times as
 * long).
 */
export function shareConnections(options: ResolvedOptions): { shards: number; store: number } {
  const queue = options.delayBackend === 'postgres' ? BOSS_CONNECTIONS : 0;
  const max = options.postgresMaxOpenConns - queue;
  const shards = Math.max(1, Math.min(options.batchShards, Math.floor(max * 0.7)));
  return { shards, store: Math.max(1, max - shards) };
}
