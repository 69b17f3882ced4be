import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ZMsg } from '@zmsg/core';
import { startPostgres, startRedis } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import pg from 'pg';
import { shardCount } from './shard-count.js';

/** Everything a suite measures on: real servers, an engine, and the clients a user would have instead. */
export interface Stage {
  zm: ZMsg;
  /** Of the database, for engines of a suite's own. */
  dsn: string;
  /** For their files; deleted at the end. */
  dir: string;
  pool: pg.Pool;
  redis: Redis;
  /** Where it is, for engines of a suite's own. */
  redisAddr: string;
}

export interface StageOptions {
  /** Undefined: servers of its own, on loopback, with their default durability. */
  postgres: string | undefined;
  redis: string | undefined;
  /** A quick start, with fewer shards. */
  quick: boolean;
}

const POOL_SIZE = 25;

export async function withStage<T>(options: StageOptions, body: (stage: Stage) => Promise<T>): Promise<T> {
  const closers: (() => unknown)[] = [];
  try {
    return await body(await setUp(options, (close) => closers.push(close)));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function setUp(options: StageOptions, onClose: (close: () => unknown) => void): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), 'zmsg-bench-'));
  onClose(() => rmSync(dir, { recursive: true, force: true }));
  let { postgres: dsn, redis: addr } = options;
  if (dsn === undefined) {
    const server = await startPostgres();
    onClose(() => server.destroy());
    dsn = await server.createDatabase('bench');
  }
  if (addr === undefined) {
    const server = await startRedis();
    onClose(() => server.destroy());
    addr = server.addr;
  }
  const pool = new pg.Pool({ connectionString: dsn, max: POOL_SIZE });
  onClose(() => pool.end());
  const [host, port] = addr.split(':');
  const redis = new Redis({ host: host ?? '127.0.0.1', port: Number(port ?? 6379) });
  onClose(() => redis.disconnect());
  const zm = await ZMsg.open({
    postgresDsn: dsn,
    redisAddr: addr,
    postgresMaxOpenConns: POOL_SIZE,
    cachePrefix: `bench:${process.pid}:`,
    dataDir: join(dir, 'stage'),
    batchShards: shardCount(options.quick),
    logLevel: 'error',
  });
  onClose(() => zm.close());
  return { zm, dsn, dir, pool, redis, redisAddr: addr };
}
