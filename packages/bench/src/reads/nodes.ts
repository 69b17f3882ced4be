import { join } from 'node:path';
import { ZMsg } from '@zmsg/core';
import { FEED_PREFIX, FEEDS } from '../peers/feed-table.js';
import type { Stage } from '../stage.js';

/** A node of a fleet of its own, whose caches hold nothing that another suite has read. */
export async function openNode({ dsn, redisAddr, dir }: Stage, name: string): Promise<ZMsg> {
  const zm = await ZMsg.open({
    postgresDsn: dsn,
    redisAddr,
    cachePrefix: `bench-reads:${process.pid}:`,
    dataDir: join(dir, name),
    batchShards: 1,
    postgresMaxOpenConns: 25,
    logLevel: 'error',
  });
  zm.loader(FEED_PREFIX, { table: FEEDS, key: 'id', column: 'content' });
  return zm;
}

/** Its Bloom filter has read the tables: from here on it costs what it always costs. */
export async function bloomRead(zm: ZMsg): Promise<void> {
  while (zm.stats().bloom?.complete !== true) await new Promise((resolve) => setTimeout(resolve, 20));
}
