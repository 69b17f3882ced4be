import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createDatabase } from '@zmsg/testbed';
import { expect, inject, test } from 'vitest';
import { ClosedError, counter, sql, ZMsg } from '../dist/index.js';
import { freshDir, freshPrefix, open, statements } from './open-engine.js';

test('close() under load: everything acknowledged is in PostgreSQL afterwards, exactly once', async () => {
  const { zm, psql } = await open({ batchShards: 4, batchInterval: '20ms', redisAddr: inject('redisAddr') });
  await psql(`INSERT INTO feed_meta (id) SELECT 'feed_' || n FROM generate_series(0, 49) n`);
  const acknowledged = new Array<number>(50).fill(0);
  const attempted = new Array<number>(50).fill(0);
  let stored = 0;
  let running = true;
  const liker = async (seed: number) => {
    for (let n = seed; running; n += 7) {
      const post = n % 50;
      attempted[post] = (attempted[post] ?? 0) + 1;
      try {
        await zm.cacheAndPeriodicStore(
          `feed_${post}`,
          null,
          counter('feed_meta', 'like_count').inc(1).where('id = ?', `feed_${post}`),
        );
        acknowledged[post] = (acknowledged[post] ?? 0) + 1;
      } catch (error) {
        if (error instanceof ClosedError) return;
        throw error;
      }
    }
  };
  const storer = async () => {
    for (let n = 0; running; n++) {
      try {
        await zm.cacheAndStore(`stored_${n}`, Buffer.from('x'));
        stored += 1;
      } catch (error) {
        if (error instanceof ClosedError) return;
        throw error;
      }
    }
  };
  const load = Promise.all([...Array.from({ length: 100 }, (_, seed) => liker(seed)), storer()]);
  await expect.poll(() => stored).toBeGreaterThan(50);
  await zm.close();
  running = false;
  await load;
  const rows = await psql(
    `SELECT split_part(id, '_', 2)::int AS post, like_count::int AS likes FROM feed_meta ORDER BY 1`,
  );
  for (const { post, likes } of rows as { post: number; likes: number }[]) {
    expect(likes).toBeGreaterThanOrEqual(acknowledged[post] ?? 0);
    expect(likes).toBeLessThanOrEqual(attempted[post] ?? 0);
  }
  expect(acknowledged.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(100);
  const [{ count }] = (await psql(`SELECT count(*)::int FROM zmsg_data WHERE id LIKE 'stored_%'`)) as [
    { count: number },
  ];
  expect(count).toBeGreaterThanOrEqual(stored);
});

test('a process ends by itself after close(): no timer, thread or socket keeps it', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const program = `
    import { ZMsg, counter } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    const zm = await ZMsg.open({ postgresDsn: ${JSON.stringify(dsn)}, redisAddr: ${JSON.stringify(inject('redisAddr'))},
      cachePrefix: ${JSON.stringify(freshPrefix())}, dataDir: ${JSON.stringify(freshDir())}, batchShards: 2, logLevel: 'error' });
    await zm.cacheAndStore('k', Buffer.from('v'));
    await zm.cacheAndPeriodicStore('p', Buffer.from('v'));
    await zm.cacheAndDelayStore('d', Buffer.from('v'), undefined, { delay: '1h' });
    await zm.get('none');
    zm.nextId('feed');
    await zm.close();
    console.log('closed');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = await once(child, 'exit');
  expect({ code, output: output.trim() }).toEqual({ code: 0, output: 'closed' });
  const sessions = () =>
    statements(dsn)(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
  // PostgreSQL takes a moment to notice that a socket was closed.
  while ((await sessions()).length > 0);
});

test('a statement that does not end keeps close() no longer than shutdown_timeout', async () => {
  const { zm } = await open({ shutdownTimeout: '300ms' });
  const endless = zm.exec(sql('SELECT pg_sleep(50)')).catch((error: unknown) => error);
  const started = performance.now();
  await zm.close();
  expect(performance.now() - started).toBeLessThan(20_000);
  expect(await endless).toMatchObject({ code: 'STORE' });
});

test('an open that fails leaves nothing behind', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  await statements(dsn)('CREATE TABLE zmsg_data (wrong int)');
  await expect(
    ZMsg.open({ postgresDsn: dsn, batchShards: 2, logLevel: 'error', dataDir: freshDir() }),
  ).rejects.toMatchObject({
    code: expect.stringMatching(/MIGRATION|STORE/),
  });
  const sessions = () =>
    statements(dsn)(
      `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
  await expect.poll(sessions).toEqual([{ count: 0 }]);
});
