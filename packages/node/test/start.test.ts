import { mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { migrateDatabase } from '@zmsg/core/migrate';
import { createDatabase, freePort } from '@zmsg/testbed';
import pg from 'pg';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { freshDir } from '../../core/test/open-engine.js';
import {
  ask,
  askAll,
  databaseWithLikes,
  expectFree,
  fixture,
  Launcher,
  LikeLoad,
  likesIn,
} from './launcher.js';

// Each test starts and stops a whole engine or two.
vi.setConfig({ testTimeout: 120_000 });

const ALL_READY = 'all threads are ready';

describe('threads', () => {
  test('serve one port, and one that crashes comes back while the others go on', async () => {
    const args = [fixture('http-app.mjs'), '--threads', '2', '--thread-memory', '64', '0'];
    const launcher = await Launcher.start(args);
    const listening = () =>
      [...launcher.stdout.matchAll(/listening on (\d+)/g)].map(([, port]) => Number(port));
    await expect.poll(() => listening().length, { timeout: 20_000 }).toBe(2);
    const [port = 0] = listening();
    expect(listening()).toEqual([port, port]);
    let before = await askAll(port, 2);
    for (const who of before.values())
      expect(who).toMatchObject({ kind: 'thread', count: 2, pid: launcher.pid });

    for (const [path, error] of [
      ['/throw', { type: 'TypeError', message: 'thrown on purpose' }],
      ['/exit', { message: 'it ended with exit code 0: process.exit() was called' }],
      ['/leak', { code: 'ERR_WORKER_OUT_OF_MEMORY' }],
    ] as const) {
      const restarts = listening().length;
      await expect(ask(port, path)).rejects.toThrow('fetch failed');
      await expect.poll(() => listening().length, { timeout: 20_000 }).toBe(restarts + 1);
      const { thread = 0, err } = launcher.log().findLast(({ msg }) => msg === 'thread crashed') ?? {};
      expect(err).toMatchObject(error);
      const after = await askAll(port, 2);
      expect(after.get(thread)?.threadId).not.toBe(before.get(thread)?.threadId);
      expect(after.get(3 - thread)).toEqual(before.get(3 - thread));
      before = after;
    }

    launcher.kill('SIGTERM');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    await expectFree(port);
  });

  test('connections that arrive while no thread is there are served by the next', async () => {
    const port = await freePort();
    const launcher = await Launcher.start([fixture('http-app.mjs'), '--threads', '1', String(port)]);
    await launcher.logged(ALL_READY);
    const [before] = (await askAll(port, 1)).values();
    await expect(ask(port, '/throw')).rejects.toThrow('fetch failed');
    const after = JSON.parse(await ask(port, '/who'));
    expect(after).toEqual({ ...before, threadId: expect.any(Number) });
    expect(after.threadId).not.toBe(before?.threadId);
    launcher.kill('SIGTERM');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
  });

  test('that have nothing left to do end the launcher', async () => {
    const args = [fixture('short-app.mjs'), '--threads', '2', '--', 'a', '--b'];
    const launcher = await Launcher.start(args);
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    expect(launcher.stdout.trim().split('\n').sort()).toEqual(['done in 1: a --b', 'done in 2: a --b']);
    expect(launcher.log().filter(({ msg }) => msg.startsWith('thread finished'))).toHaveLength(2);
  });
});

describe('a thread that never gets ready', () => {
  test('is tried five times; then the others are stopped and the exit code is 1', async () => {
    const launcher = await Launcher.start([fixture('failing-app.mjs'), '--threads', '2', 'throw']);
    expect(await launcher.ended()).toBe(1);
    expect(launcher.log().filter(({ msg }) => msg === 'thread crashed')).toHaveLength(4);
    const message =
      'thread 2 crashed 5 times in a row before it was ready, at last with: SyntaxError: broken on purpose';
    expect(await launcher.logged('giving up')).toMatchObject({ thread: 2, err: { message } });
    expect(launcher.log()).toContainEqual(expect.objectContaining({ thread: 1, msg: 'thread stopped' }));
    expect(launcher.stderr).toContain(`\nzmsg-node: ${message}\n`);
  });

  test('because a port is in use says so', async () => {
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const args = [fixture('failing-app.mjs'), '--threads', '2', 'port', String(port)];
    const launcher = await Launcher.start(args);
    expect(await launcher.ended()).toBe(1);
    const message = `LaunchError: port ${port} on 127.0.0.1: address already in use (EADDRINUSE)`;
    expect(launcher.stderr).toContain(`before it was ready, at last with: ${message}\n`);
  });

  test('because its top-level await never settles says so', async () => {
    const launcher = await Launcher.start([fixture('waiting-app.mjs'), '--threads', '1']);
    expect(await launcher.ended()).toBe(1);
    expect(launcher.stderr).toMatch(/exit code 13: a top-level await that never settles\n$/);
  });
});

describe('a stop', () => {
  test('under load, after a crash, loses no like that was acknowledged by whichever thread', async () => {
    const port = await freePort();
    const dsn = await databaseWithLikes();
    const args = [fixture('http-app.mjs'), '--threads', '2', String(port)];
    const launcher = await Launcher.start(args, { ZMSG_POSTGRES_DSN: dsn });
    await launcher.logged(ALL_READY);
    const load = new LikeLoad(port);
    await expect.poll(() => load.acknowledged.size, { timeout: 20_000 }).toBe(2);
    await expect(ask(port, '/throw')).rejects.toThrow('fetch failed');
    const { thread = 0 } = await launcher.logged('thread crashed');
    const before = load.acknowledged.get(String(thread)) ?? 0;
    const more = () => load.acknowledged.get(String(thread)) ?? 0;
    await expect.poll(more, { timeout: 20_000 }).toBeGreaterThan(before + 20);
    expect(await likesIn(dsn)).toBe(0);

    launcher.kill('SIGTERM');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    await load.stop();
    const stored = await likesIn(dsn);
    expect(stored).toBeGreaterThanOrEqual(load.total);
    expect(stored).toBeLessThanOrEqual(load.attempted);
    expect(readdirSync(launcher.dataDir)).toEqual(['wal']);
    expect(readdirSync(join(launcher.dataDir, 'wal'))).toEqual([]);
    await expectFree(port);
  });

  test('that cannot flush in time says so by its exit code, and the next start has it', async () => {
    const port = await freePort();
    const dsn = await databaseWithLikes();
    const client = new pg.Client({ connectionString: dsn });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query('BEGIN; LOCK TABLE likes');
    const args = [fixture('http-app.mjs'), '--threads', '1', String(port)];
    const env = { ZMSG_POSTGRES_DSN: dsn, ZMSG_DATA_DIR: freshDir(), ZMSG_SHUTDOWN_TIMEOUT: '500ms' };
    const first = await Launcher.start(args, env);
    await first.logged(ALL_READY);
    await ask(port, '/like');
    first.kill('SIGTERM');
    expect(await first.ended(), first.stderr).toBe(3);
    const { err } = await first.logged('closing failed');
    expect(err?.message).toContain('1 operation');

    await client.query('COMMIT');
    const second = await Launcher.start(args, { ...env, ZMSG_SHUTDOWN_TIMEOUT: '30s' });
    await second.logged(ALL_READY);
    second.kill('SIGTERM');
    expect(await second.ended(), second.stderr).toBe(0);
    expect(await likesIn(dsn)).toBe(1);
  });

  test('lets requests under way end', async () => {
    const port = await freePort();
    const launcher = await Launcher.start([fixture('http-app.mjs'), '--threads', '2', String(port)]);
    await launcher.logged(ALL_READY);
    const answer = ask(port, '/until-stop');
    await launcher.printed('waiting');
    launcher.kill('SIGINT');
    expect(await answer).toBe('answered');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    expect(launcher.log().filter(({ level }) => level > 30)).toEqual([]);
  });

  test('kills a thread that does not stop in time', async () => {
    const args = [fixture('stubborn-app.mjs'), '--threads', '2', '--stop-timeout', '100ms'];
    const launcher = await Launcher.start(args);
    await launcher.logged(ALL_READY);
    launcher.kill('SIGTERM');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    expect(
      launcher.log().filter(({ msg }) => msg === 'thread did not stop in time and is killed'),
    ).toHaveLength(2);
  });

  test('a second signal ends it at once', async () => {
    const launcher = await Launcher.start([fixture('stubborn-app.mjs'), '--threads', '1']);
    await launcher.logged(ALL_READY);
    launcher.kill('SIGTERM');
    await launcher.printed('asked to stop');
    launcher.kill('SIGINT');
    expect(await launcher.ended()).toBe(130);
    await launcher.logged('second signal: ending at once; the log keeps what is not flushed');
  });

  test('listeners that fail are logged and keep nobody from stopping', async () => {
    const launcher = await Launcher.start([fixture('failing-stop-app.mjs'), '--threads', '1']);
    await launcher.logged(ALL_READY);
    launcher.kill('SIGTERM');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    expect(launcher.stdout).toBe('the other listener has run\n');
    const line = await launcher.logged('thread failed while stopping');
    expect(line.err).toMatchObject({ type: 'RangeError', message: 'failed on purpose' });
  });

  test('before the engine is open starts no thread', async () => {
    const dsn = await createDatabase(inject('postgresPort'), 'start');
    await migrateDatabase({ config: { postgresDsn: dsn }, env: {} });
    const client = new pg.Client({ connectionString: dsn });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query('BEGIN; LOCK TABLE zmsg_nodes');
    const launcher = await Launcher.start([fixture('short-app.mjs'), '--threads', '1'], {
      ZMSG_POSTGRES_DSN: dsn,
    });
    const waiting = () => client.query('SELECT 1 FROM pg_locks WHERE NOT granted');
    await expect.poll(async () => (await waiting()).rowCount, { timeout: 20_000 }).toBe(1);
    launcher.kill('SIGTERM');
    await launcher.logged('stopping');
    await client.query('COMMIT');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    expect(launcher.stdout).toBe('');
  });
});

test('a log that was left in the place of a process of --cluster is told', async () => {
  const dataDir = freshDir();
  for (const dir of ['3/wal/000', '4/wal', 'other/wal/000'])
    mkdirSync(join(dataDir, dir), { recursive: true });
  const launcher = await Launcher.start([fixture('short-app.mjs'), '--threads', '1'], {
    ZMSG_DATA_DIR: dataDir,
  });
  expect(await launcher.ended(), launcher.stderr).toBe(0);
  const errors = launcher.log().filter(({ level }) => level >= 50);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({
    dir: join(dataDir, '3'),
    msg: expect.stringContaining('zmsg-node wal adopt'),
  });
});

describe('what cannot be started is refused with a line that names it', () => {
  test.each([
    [['nowhere.mjs'], /application module .*\/nowhere\.mjs: there is no such file$/],
    [[fixture('')], /application module .*\/fixtures: it is not a file$/],
    [[fixture('short-app.mjs'), '--threads', '0'], /--threads.*'0'.*a whole number from 1 to 256/],
    [[fixture('short-app.mjs'), '--threads', '1e3'], /--threads.*'1e3'.*a whole number from 1 to 256/],
    [[fixture('short-app.mjs'), '--stop-timeout', '10'], /--stop-timeout.*'10'.*a duration such as/],
    [[fixture('short-app.mjs'), '--thread-memory', '1'], /--thread-memory.*'1'.*a whole number from 16/],
    [[fixture('short-app.mjs'), '--config', '/no/such.yaml'], /configuration file \/no\/such\.yaml/],
    [[], /missing required argument 'MODULE'/],
  ])('%j', async (args, message) => {
    const launcher = await Launcher.start(args, { ZMSG_POSTGRES_DSN: 'postgresql://127.0.0.1:1/none' });
    expect(await launcher.ended()).toBe(1);
    expect(launcher.stderr.trim()).toMatch(message);
    expect(launcher.stderr.trim().split('\n')).toHaveLength(1);
    expect(launcher.stdout).toBe('');
  });
});
