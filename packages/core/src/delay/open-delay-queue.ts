import type { Logger } from 'pino';
import type { ResolvedOptions } from '../options/resolved.js';
import type { Store } from '../store/store.js';
import { BossDelayQueue } from './boss-delay-queue.js';
import { BullDelayQueue } from './bull-delay-queue.js';
import type { DelayEvent, DelayQueue } from './delay-queue.js';
import { DelayedWriter } from './delayed-writer.js';

export interface DelayQueueParts {
  options: ResolvedOptions;
  connectionString: string;
  store: Store;
  logger: Logger;
  onEvent: (event: DelayEvent) => void;
  announce: (key: string) => void | Promise<void>;
  /** Takes a deleted key out of the caches. */
  forget: (key: string) => Promise<void>;
  /** Takes out of the caches what was loaded of a key while its write was in the queue. */
  recheck: (key: string) => Promise<void>;
}

export interface OpenDelayQueue {
  queue: DelayQueue;
  /** Closes the queue, then waits for what its writer has under way. */
  close(): Promise<void>;
}

/** The delay queue on the configured backend: BullMQ on Redis, pg-boss on PostgreSQL. */
export async function openDelayQueue(parts: DelayQueueParts): Promise<OpenDelayQueue> {
  const { store, logger, announce, forget, recheck } = parts;
  const writer = new DelayedWriter({
    store,
    // The embedded PostgreSQL has one node.
    silenceMs: parts.options.postgresDsn === undefined ? 0 : parts.options.delayLockMs,
    announce,
    onCommitted: (write) => (write.deleteAfter === true ? forget(write.key) : recheck(write.key)),
    onCleanUpError: (error) => logger.warn({ err: error }, 'old operation ids were not deleted'),
  });
  const queue = await openBackend(parts, writer);
  return {
    queue,
    async close() {
      await queue.close();
      await writer.close();
    },
  };
}

function openBackend(parts: DelayQueueParts, writer: DelayedWriter): Promise<DelayQueue> {
  const { connectionString, onEvent } = parts;
  const { delayBackend, redisAddr, redisCluster, redisPassword, redisDb, cachePrefix } = parts.options;
  const lockMs = parts.options.delayLockMs;
  if (delayBackend === 'postgres' || redisAddr === undefined) {
    const maxConnections = BOSS_CONNECTIONS;
    return BossDelayQueue.open({ connectionString, writer, onEvent, maxConnections, lockMs });
  }
  const endpoint = { redisAddr, redisCluster, redisPassword, redisDb };
  return BullDelayQueue.open({ ...endpoint, cachePrefix, writer, onEvent, lockMs });
}

/** Connections that the queue on PostgreSQL takes from the node's budget. */
export const BOSS_CONNECTIONS = 2;

/**
 * Whether this node must look for due writes from the start: another node, or an earlier run, may have
 * left some. On PostgreSQL the queue's tables are made by its first use, and polled from then on.
 */
export async function hasDelayQueue(store: Store, options: ResolvedOptions): Promise<boolean> {
  if (options.delayBackend === 'redis') return true;
  const { rows } = await store.exec<{ job: string | null }>(
    `SELECT to_regclass('zmsg_boss.job')::text AS job`,
  );
  return rows[0]?.job != null;
}
