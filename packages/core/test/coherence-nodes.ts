import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase, type RedisServer, startRedis, startTcpProxy, type TcpProxy } from '@zmsg/testbed';
import { inject } from 'vitest';
import { ZMsg, type ZMsgOptions } from '../dist/index.js';
import { freshPrefix, open, statements } from './open-engine.js';

export interface Fleet {
  readonly nodes: readonly [ZMsg, ZMsg, ZMsg];
  /** Between each node and Redis. */
  readonly links: readonly [TcpProxy, TcpProxy, TcpProxy];
  readonly redis: RedisServer;
  readonly dsn: string;
  readonly cachePrefix: string;
  readonly psql: ReturnType<typeof statements>;
  /** To be called in `afterAll`: what is registered there from inside `beforeAll` would never run. */
  close(): Promise<void>;
}

/** Three engines over one Redis of their own and one database, for all tests of a file. */
export async function openFleet(options: ZMsgOptions = {}): Promise<Fleet> {
  const redis = await startRedis();
  const dir = mkdtempSync(join(tmpdir(), 'zmsg-fleet-'));
  const dsn = await createDatabase(inject('postgresPort'));
  const cachePrefix = freshPrefix();
  const nodes: ZMsg[] = [];
  const links: TcpProxy[] = [];
  const close = async () => {
    for (const link of links) link.heal();
    await Promise.all(nodes.map((zm) => zm.close()));
    for (const link of links) link.close();
    await redis.destroy();
    rmSync(dir, { recursive: true, force: true });
  };
  for (let n = 0; n < 3; n++) {
    const link = await startTcpProxy(redis.port);
    links.push(link);
    nodes.push(
      await ZMsg.open({
        postgresDsn: dsn,
        redisAddr: link.addr,
        cachePrefix,
        dataDir: join(dir, String(n)),
        logLevel: 'error',
        batchShards: 1,
        delayBackend: 'postgres',
        redisPoolSize: 2,
        ...options,
      }),
    );
  }
  return {
    nodes: nodes as [ZMsg, ZMsg, ZMsg],
    links: links as [TcpProxy, TcpProxy, TcpProxy],
    redis,
    dsn,
    cachePrefix,
    psql: statements(dsn),
    close,
  };
}

/** Engines of one test, with one address of Redis. */
export async function openNodes(count: number, redisAddr: string | string[]): Promise<ZMsg[]> {
  const dsn = await createDatabase(inject('postgresPort'));
  const cachePrefix = freshPrefix();
  const nodes: ZMsg[] = [];
  for (let n = 0; n < count; n++) {
    const { zm } = await open({
      postgresDsn: dsn,
      redisAddr,
      cachePrefix,
      batchShards: 1,
      delayBackend: 'postgres',
      redisPoolSize: 2,
    });
    nodes.push(zm);
  }
  return nodes;
}
