import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZMsg, type ZMsgOptions } from '@zmsg/core';
import { createDatabase, type RedisServer, startRedis } from '@zmsg/testbed';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { freshDir, freshPrefix, statements } from '../../core/test/open-engine.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.destroy());

function run(env: NodeJS.ProcessEnv, ...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, ...env } };
    execFile(process.execPath, [cli, 'audit', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** Two engines in this process; the auditor is another one. */
async function openFleet() {
  const postgresDsn = await createDatabase(inject('postgresPort'));
  const cachePrefix = freshPrefix();
  const shared: ZMsgOptions = { postgresDsn, redisAddr: redis.addr, cachePrefix, bloomEnabled: false };
  const open = async () => {
    const more = {
      dataDir: freshDir(),
      logLevel: 'error',
      batchShards: 1,
      delayBackend: 'postgres',
    } as const;
    const zm = await ZMsg.open({ ...shared, ...more });
    onTestFinished(() => zm.close());
    return zm;
  };
  const [a, b] = [await open(), await open()];
  const env = { ZMSG_POSTGRES_DSN: postgresDsn, ZMSG_REDIS_ADDR: redis.addr, ZMSG_CACHE_PREFIX: cachePrefix };
  return { a, b, env, psql: statements(postgresDsn) };
}

test('what is stale is told with key, node and age, and is exit code 1; else it is 0', async () => {
  const { a, b, env, psql } = await openFleet();
  for (let n = 0; n < 10; n++) await a.cacheAndStore(`k${n}`, Buffer.from('old'));
  const dir = freshDir();
  const keysFile = join(dir, 'keys');
  writeFileSync(keysFile, `${Array.from({ length: 10 }, (_, n) => `k${n}`).join('\n')}\n`);
  const config = join(dir, 'zmsg.yaml');
  writeFileSync(
    config,
    `postgres_dsn: ${env.ZMSG_POSTGRES_DSN}\nredis_addr: ${redis.addr}\ncache_prefix: "${env.ZMSG_CACHE_PREFIX}"\n`,
  );

  const good = await run({}, '--config', config, '--keys-file', keysFile, '--samples', '20');
  expect(good).toMatchObject({ code: 0, stderr: '' });
  expect(good.stdout).toMatch(/^audit {7}from 20.*, 2 nodes\nsampled {5}\d+ keys\n/);
  expect(good.stdout).toMatch(
    /\nconsistent {2}100\.000 % \((\d+) of \1\)\nstale {7}0, of these 0 for longer than/,
  );
  expect(good.stdout).toMatch(/\nNothing was stale for longer than 4\.00 s\.\n$/);

  await psql(`UPDATE zmsg_data SET data = 'new' WHERE id = 'k3'`);
  await redis.call('DEL', `${env.ZMSG_CACHE_PREFIX}v:k3`);
  await b.get('k3');
  const { node } = b.parseId(a.nextId());
  const args = ['--key', 'k3', '--key', 'k4', '--samples', '0', '--bound', '50', '--follow', '0.2'];
  const bad = await run(env, ...args);
  expect(bad).toMatchObject({ code: 1, stderr: '' });
  expect(bad.stdout).toContain(`STALE    "k3" in L1 of node ${node} (`);
  expect(bad.stdout).toMatch(/: at least \d+ ms, still there; PostgreSQL has another value\n/);
  expect(bad.stdout).toMatch(/\nconsistent {2}75\.000 % \(3 of 4\)|\nconsistent {2}80\.000 % \(4 of 5\)/);
  expect(bad.stdout).toMatch(/\nSTALE: 1 copy beyond the bound of 50 ms\.\n$/);

  await b.del('k3');
  const json = await run(env, ...args, '--json');
  expect(json).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(json.stdout)).toMatchObject({ isConsistent: true, sampled: 2, stale: 0, findings: [] });
});

test('an auditor that is killed puts no node in doubt', async () => {
  const { a, b, env } = await openFleet();
  await a.cacheOnly('k', Buffer.from('v'));
  const before = [a, b].map((zm) => zm.stats().coherence?.doubts);
  const { hits } = a.stats().l1;
  const child = execFile(process.execPath, [cli, 'audit', '--rate', '1', '--samples', '100000'], {
    env: { PATH: process.env.PATH, ...env },
  });
  // It has asked what L1 of a has.
  await expect.poll(() => a.stats().l1.hits, { timeout: 30_000 }).toBeGreaterThan(hits);
  child.kill('SIGKILL');
  expect([a, b].map((zm) => zm.stats().coherence)).toMatchObject(
    before.map((doubts) => ({ state: 'trusted', peers: 1, doubts })),
  );
});

test('wrong usage and what cannot be reached are one clear line, with exit code 2', async () => {
  const secret = 'postgresql://u:geheim@127.0.0.1:1/d';
  for (const [env, args, message] of [
    [{}, ['--rate', '0'], /--rate.* is invalid/],
    [{ ZMSG_REDIS_ADDR: '127.0.0.1:1', ZMSG_POSTGRES_DSN: secret }, [], /Redis cannot be reached/],
  ] as [NodeJS.ProcessEnv, string[], RegExp][]) {
    const { code, stdout, stderr } = await run(env, ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).not.toContain('geheim');
  }
});
