import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@zmsg/testbed';
import { expect, inject, test, vi } from 'vitest';
import { freshPrefix } from '../../core/test/open-engine.js';
import {
  ask,
  askAll,
  databaseWithLikes,
  expectFree,
  fixture,
  Launcher,
  LikeLoad,
  likesIn,
  PATIENTLY,
  type Who,
} from './launcher.js';

// Each test starts and stops several engines.
vi.setConfig({ testTimeout: 120_000 });

const ALL_READY = 'all processes are ready';

async function startCluster(port: number): Promise<Launcher> {
  const launcher = await Launcher.start(
    [fixture('http-app.mjs'), '--cluster', '--threads', '2', String(port)],
    {
      ZMSG_POSTGRES_DSN: await databaseWithLikes(),
      ZMSG_REDIS_ADDR: inject('redisAddr'),
      ZMSG_CACHE_PREFIX: freshPrefix(),
    },
  );
  await launcher.logged(ALL_READY);
  return launcher;
}

/** Processes that are there, of those. */
function alive(those: Iterable<Who>): Who[] {
  return [...those].filter(({ pid }) => existsSync(`/proc/${pid}`));
}

function expectNothingPending({ dataDir }: Launcher): void {
  expect(readdirSync(dataDir)).toEqual(['1', '2']);
  for (const number of ['1', '2']) {
    expect(readdirSync(join(dataDir, number))).toEqual(['wal']);
    expect(readdirSync(join(dataDir, number, 'wal'))).toEqual([]);
  }
}

test('processes serve one port; after a crash under load and a stop no acknowledged like is lost', async () => {
  const port = await freePort();
  const launcher = await startCluster(port);
  const before = await askAll(port, 2);
  const [one, two] = [before.get(1), before.get(2)];
  expect(one).toMatchObject({ kind: 'process', count: 2, threadId: 0 });
  expect(new Set([launcher.pid, one?.pid, two?.pid]).size).toBe(3);

  const load = new LikeLoad(port);
  await expect.poll(() => load.acknowledged.size, PATIENTLY).toBe(2);
  await expect(ask(port, '/throw')).rejects.toThrow('fetch failed');
  const { process: number = 0, err } = await launcher.logged('process crashed');
  expect(err).toMatchObject({ type: 'TypeError', message: 'thrown on purpose' });
  await expect
    .poll(async () => (await askAll(port, 2)).get(number)?.pid, PATIENTLY)
    .not.toBe(before.get(number)?.pid);
  const after = await askAll(port, 2);
  expect(after.get(3 - number)).toEqual(before.get(3 - number));

  launcher.kill('SIGTERM');
  expect(await launcher.ended(), launcher.stderr).toBe(0);
  await load.stop();
  const stored = await likesIn(launcher.dsn);
  expect(stored).toBeGreaterThanOrEqual(load.total);
  expect(stored).toBeLessThanOrEqual(load.attempted);
  expect(alive([...before.values(), ...after.values()])).toEqual([]);
  expectNothingPending(launcher);
  await expectFree(port);
});

test('without the first process the others flush and end', async () => {
  const port = await freePort();
  const launcher = await startCluster(port);
  const all = await askAll(port, 2);
  await ask(port, '/like');
  launcher.kill('SIGKILL');
  await launcher.ended();
  await expect.poll(() => alive(all.values()), PATIENTLY).toEqual([]); // until they are reaped
  expect(await likesIn(launcher.dsn)).toBe(1);
  expectNothingPending(launcher);
  await expectFree(port);
});

test('SIGTERM to one process restarts it in order; a second signal to the first ends all', async () => {
  const port = await freePort();
  const launcher = await startCluster(port);
  const before = await askAll(port, 2);
  // Who is given a connection is the cluster module's choice: likes until each process has some.
  const likes = new Map<string, number>();
  while (likes.size < 2) {
    const number = await ask(port, '/like');
    likes.set(number, (likes.get(number) ?? 0) + 1);
  }
  const { pid = 0 } = before.get(1) ?? {};
  process.kill(pid, 'SIGTERM');
  await expect.poll(async () => (await askAll(port, 2)).get(1)?.pid, PATIENTLY).not.toBe(pid);
  // What the first of them had counted was flushed when it ended, and nothing of the other's.
  expect(await likesIn(launcher.dsn)).toBe(likes.get('1'));

  const all = await askAll(port, 2);
  const answer = ask(port, '/never');
  await launcher.printed('waiting for ever');
  launcher.kill('SIGTERM');
  await launcher.logged('stopping');
  launcher.kill('SIGTERM');
  await expect(answer).rejects.toThrow('fetch failed');
  expect(await launcher.ended()).toBe(143);
  await expect.poll(() => alive(all.values()), PATIENTLY).toEqual([]);
});

test('an embedded PostgreSQL for each process is refused', async () => {
  const launcher = await Launcher.start([fixture('short-app.mjs'), '--cluster'], { ZMSG_POSTGRES_DSN: '' });
  expect(await launcher.ended()).toBe(1);
  expect(launcher.stderr).toBe(
    'zmsg-node: --cluster needs postgres_dsn: each process would start an embedded PostgreSQL of its own\n',
  );
});
