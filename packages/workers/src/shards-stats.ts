import { type Board, UNIT_BYTES } from './shard/board.js';
import type { ShardCounters } from './shard/shard-counters.js';
import type { ShardsStats } from './shards.js';

/** Of all shards and producers, in whichever thread it is asked. */
export function collectStats(board: Board, counters: ShardCounters): ShardsStats {
  const { oldestAt } = counters;
  const volatileOperations = counters.sum('volatile');
  return {
    operations: counters.sum('operations'),
    applied: counters.sum('applied'),
    pendingOperations: board.pending,
    pendingBytes: board.pendingUnits * UNIT_BYTES,
    producers: counters.max('producers'),
    pendingGroups: counters.sum('pendingGroups'),
    flushes: counters.sum('flushes'),
    flushFailures: counters.sum('flushFailures'),
    unmatched: counters.sum('unmatched'),
    deadLetters: counters.sum('deadLetters'),
    statements: counters.sum('statements'),
    overheadStatements: counters.sum('overheadStatements'),
    atRisk: {
      volatileOperations,
      unsyncedOperations: volatileOperations + counters.sum('unsynced'),
      unflushedOperations: counters.sum('operations') - counters.sum('applied'),
      oldestMs:
        oldestAt === undefined ? 0 : Math.max(0, performance.timeOrigin + performance.now() - oldestAt),
    },
    log: {
      bytes: counters.sum('logBytes'),
      failures: counters.sum('logFailures'),
      recovered: counters.sum('recovered'),
    },
    flushLatencyMs: counters.latencyMs(),
  };
}
