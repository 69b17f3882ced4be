import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PostgresServer, startPostgres } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { expect, inject, onTestFinished, test } from 'vitest';
import { counter, type Durability, type ZMsgOptions } from '../dist/index.js';
import { adoptWal } from '../dist/wal/index.js';
import { holdRow } from './hold-row.js';
import { freshDir, open, type statements } from './open-engine.js';

const like = () => counter('feed_meta', 'like_count').inc(1).where('id = ?', 'a');
const LIKES = `SELECT like_count::int AS n FROM feed_meta WHERE id = 'a'`;

interface Node {
  child: ChildProcess;
  /** What it logged. */
  output: () => string;
  ended: Promise<{ code: number | null; signal: string | null }>;
}

/** A node in a process of its own that has taken `likes` writes. */
async function startNode(
  options: ZMsgOptions,
  likes: number,
  more: { durability?: Durability; listens?: boolean; title?: string } = {},
): Promise<Node> {
  const input = JSON.stringify({ options: { ...options, logLevel: 'info' }, likes, ...more });
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./engine-child.mjs', import.meta.url)), input],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('taken')) resolve();
    });
    void ended.then(() => reject(new Error(output)));
  });
  return { child, output: () => output, ended };
}

async function database(): Promise<{ options: ZMsgOptions; psql: ReturnType<typeof statements> }> {
  const { zm, psql, options } = await open({ batchInterval: '1h' });
  await zm.close();
  await psql(`INSERT INTO feed_meta (id) VALUES ('a')`);
  return { options, psql };
}

async function ownPostgres(): Promise<PostgresServer> {
  const server = await startPostgres();
  onTestFinished(() => server.destroy());
  return server;
}

test('kill -9 of a node loses nothing that was acknowledged: the next start applies it', async () => {
  const { options, psql } = await database();
  for (let round = 1; round <= 2; round++) {
    const { child, ended } = await startNode(options, 500);
    child.kill('SIGKILL');
    expect(await ended).toMatchObject({ signal: 'SIGKILL' });
  }
  const { zm } = await open(options);
  expect(zm.stats().shards.log.recovered).toBeGreaterThan(500);
  // Already pending operations are seen by reads of this node.
  expect(await zm.query(counter('feed_meta', 'like_count').get().where('id = ?', 'a'))).toEqual([
    { like_count: 1000 },
  ]);
  await zm.close();
  expect(await psql(LIKES)).toEqual([{ n: 1000 }]);
  expect(readdirSync(join(options.dataDir as string, 'wal'))).toEqual([]);
});

test('a key that comes back from the log passes the Bloom filter', async () => {
  const { options } = await database();
  const { child, ended } = await startNode(options, 1);
  child.kill('SIGKILL');
  await ended;
  const { zm } = await open(options);
  // The table is read when everything that was recovered is in it.
  while (zm.stats().bloom?.complete !== true) await new Promise((resolve) => setImmediate(resolve));
  await zm.flush();
  expect(await zm.dbHit('note')).toBe(true);
  expect((await zm.get('note'))?.toString()).toBe('kept');
});

test('a row that was loaded before a value came back from the log is not kept', async () => {
  const { options, psql } = await database();
  await psql(`INSERT INTO zmsg_data (id, data) VALUES ('note', 'old')`);
  const { child, ended } = await startNode(options, 1);
  child.kill('SIGKILL');
  await ended;
  const release = await holdRow(options.postgresDsn as string, 'note');
  const { zm } = await open(options);
  expect(String(await zm.get('note'))).toBe('old');
  await release();
  await zm.flush();
  await expect.poll(() => zm.get('note').then(String), { timeout: 20_000 }).toBe('kept');
});

test("nor is one of an application's own table, whose task does not say what was cached beside it", async () => {
  const { options, psql } = await database();
  await psql(`INSERT INTO feeds (id, content) VALUES ('titled', 'old')`);
  const { child, ended } = await startNode(options, 1, { title: 'new' });
  child.kill('SIGKILL');
  await ended;
  const release = await holdRow(options.postgresDsn as string, 'titled', 'feeds');
  const { zm } = await open(options);
  zm.loader('titled', { table: 'feeds', key: 'id', column: 'content' });
  expect(String(await zm.get('titled'))).toBe('old');
  await release();
  await zm.flush();
  await expect.poll(() => zm.get('titled').then(String), { timeout: 20_000 }).toBe('new');
});

test('nor by another node, when Redis has lost the value that it had ahead of the database', async () => {
  const { options: local, psql } = await database();
  const redis = new Redis(`redis://${inject('redisAddr')}`);
  onTestFinished(() => redis.disconnect());
  const options = { ...local, redisAddr: inject('redisAddr'), delayBackend: 'postgres' as const };
  await psql(`INSERT INTO zmsg_data (id, data) VALUES ('note', 'old')`);
  const { child, ended } = await startNode(options, 1);
  child.kill('SIGKILL');
  await ended;
  expect(await redis.del(`${options.cachePrefix}v:note`)).toBe(1);
  const other = await open({ ...options, dataDir: freshDir() });
  // As long as the dead node may live, nothing is kept for long.
  await expect.poll(() => other.zm.stats().coherence?.state, { timeout: 30_000 }).toBe('trusted');
  expect(String(await other.zm.get('note'))).toBe('old');
  const { zm } = await open(options);
  await zm.flush();
  await expect.poll(() => other.zm.get('note').then(String), { timeout: 20_000 }).toBe('kept');
  expect(String(await zm.get('note'))).toBe('kept');
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s flushes, and then ends the process', async (signal) => {
  const { options, psql } = await database();
  const { child, ended } = await startNode({ ...options, walSync: 'off' }, 300);
  expect(await psql(LIKES)).toEqual([{ n: 0 }]);
  child.kill(signal);
  expect(await ended).toEqual({ code: null, signal });
  expect(await psql(LIKES)).toEqual([{ n: 300 }]);
});

test('an application that listens to SIGTERM ends as it likes, with everything flushed', async () => {
  const { options, psql } = await database();
  const { child, ended } = await startNode(options, 300, { listens: true });
  child.kill('SIGTERM');
  expect(await ended).toEqual({ code: 7, signal: null });
  expect(await psql(LIKES)).toEqual([{ n: 300 }]);
  const { zm } = await open(options);
  expect(zm.stats().shards.log.recovered).toBe(0);
});

test('SIGTERM with the database away says what stays in the log, and the next start applies it', async () => {
  const server = await ownPostgres();
  const { zm, psql, options } = await open({
    postgresDsn: await server.createDatabase(),
    batchInterval: '1h',
    shutdownTimeout: '300ms',
  });
  await zm.close();
  await psql(`INSERT INTO feed_meta (id) VALUES ('a')`);
  const { child, ended, output } = await startNode(options, 300);
  await server.stop('immediate');
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ signal: 'SIGTERM' });
  expect(output()).toContain('301 operations were not written within 300 ms: 301 stay in the log');
  await server.start();
  const after = await open(options);
  await after.zm.flush();
  expect(await psql(LIKES)).toEqual([{ n: 300 }]);
}, 60_000);

test('the level is chosen per call, also in a batch', async () => {
  const { options } = await database();
  const { zm } = await open({ ...options, walSync: 'off' });
  await zm.cacheAndPeriodicStore('k', null, like());
  expect(zm.stats().shards.atRisk).toMatchObject({ volatileOperations: 1 });
  const receipt = await zm.cacheAndPeriodicStore('k', null, like(), { durability: 'always' });
  await receipt.durable;
  await zm.batch().cacheAndPeriodicStore('k', null, like(), { durability: 'interval' }).execute();
  expect(zm.stats().shards.atRisk).toMatchObject({ volatileOperations: 1, unflushedOperations: 3 });
  await expect(
    zm.cacheAndPeriodicStore('k', null, like(), { durability: 'sometimes' as Durability }),
  ).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  expect(zm.stats().shards.atRisk.oldestMs).toBeGreaterThan(0);
  await zm.flush();
  await receipt.applied;
  expect(zm.stats().shards.atRisk).toMatchObject({ unflushedOperations: 0, oldestMs: 0 });
});

test('the log of a dead node is adopted once; of a live one only by force, which fences it', async () => {
  const { options, psql } = await database();
  const { postgresDsn, dataDir } = options as { postgresDsn: string; dataDir: string };
  const config = { postgresDsn, logLevel: 'error' as const };
  const dead = await startNode(options, 200);
  dead.child.kill('SIGKILL');
  await dead.ended;
  expect(await adoptWal({ dataDir, config })).toBe(201);
  expect(await psql(LIKES)).toEqual([{ n: 200 }]);
  await expect(adoptWal({ dataDir, config })).rejects.toMatchObject({ code: 'LOG' });

  const { zm } = await open(options);
  await zm.cacheAndPeriodicStore('k', null, like());
  await expect(adoptWal({ dataDir, config })).rejects.toMatchObject({ code: 'CONFIG', key: 'data_dir' });
  expect(await adoptWal({ dataDir, config, force: true })).toBe(1);
  expect(await psql(LIKES)).toEqual([{ n: 201 }]);
  // The fenced one still takes this, and finds out when it flushes; nothing of it is lost.
  const late = await zm.cacheAndPeriodicStore('k', null, like());
  const applied = expect(late.applied).rejects.toMatchObject({ code: 'FENCED' });
  await expect(zm.flush()).rejects.toMatchObject({ code: 'FENCED' });
  await applied;
  await expect(zm.cacheAndPeriodicStore('k', null, like())).rejects.toMatchObject({ code: 'FENCED' });
  await expect(zm.close()).rejects.toMatchObject({ code: 'FENCED' });
  expect(await psql(LIKES)).toEqual([{ n: 201 }]);
  expect(await adoptWal({ dataDir, config })).toBe(1);
  expect(await psql(LIKES)).toEqual([{ n: 202 }]);
});

test('adoption by force fences the owner even if there was nothing to apply', async () => {
  const { options, psql } = await database();
  const { postgresDsn, dataDir } = options as { postgresDsn: string; dataDir: string };
  const { zm } = await open(options);
  expect(await adoptWal({ dataDir, config: { postgresDsn, logLevel: 'error' }, force: true })).toBe(0);
  await zm.cacheAndPeriodicStore('k', null, like());
  await expect(zm.flush()).rejects.toMatchObject({ code: 'FENCED' });
  expect(await psql(LIKES)).toEqual([{ n: 0 }]);
  // It is in the log, and the next owner's to apply.
  await zm.close().catch(() => {});
  const next = await open(options);
  await next.zm.flush();
  expect(await psql(LIKES)).toEqual([{ n: 1 }]);
});

test('adoption of a directory without a log says so', async () => {
  const config = { postgresDsn: `postgresql://postgres:secret@127.0.0.1:${inject('postgresPort')}/postgres` };
  await expect(adoptWal({ dataDir: freshDir(), config })).rejects.toMatchObject({ code: 'LOG' });
});
