import { join } from 'node:path';
import { recoverLog } from '@zmsg/workers';
import type { Arena } from './arena.js';

const MEBIBYTE = 1 << 20;

/**
 * Takes over the log of a node that seems to be dead, and applies it; the node is fenced from here on.
 * Resolves with the number of operations.
 */
export function adoptLog(arena: Arena, node: string): Promise<number> {
  return recoverLog({
    store: {
      connectionString: arena.dsn,
      maxConnections: 4,
      maxLifetimeMs: 300_000,
      singleSession: false,
    },
    log: {
      dir: join(arena.dataDir(node), 'wal'),
      durability: 'always',
      syncIntervalMs: 1_000,
      isForeign: true,
    },
    shards: 4,
    batchSize: 100,
    batchIntervalMs: 100,
    ringBytes: MEBIBYTE,
    pendingMax: 100_000,
    pendingMaxBytes: 64 * MEBIBYTE,
    onFull: 'wait',
    onEvent: () => {},
  });
}
