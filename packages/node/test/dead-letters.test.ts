import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { counter, ZMsg } from '@zmsg/core';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'zmsg-node-letters-'));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
let dsn: string;
let client: pg.Client;

beforeAll(async () => {
  dsn = await createDatabase(inject('postgresPort'));
  client = new pg.Client({ connectionString: dsn });
  await client.connect();
  await client.query(`CREATE TABLE posts (id text PRIMARY KEY, likes int DEFAULT 0 CHECK (likes < 10));
    INSERT INTO posts (id) SELECT 'p' || n FROM generate_series(1, 5) n`);
  const zm = await ZMsg.open({ postgresDsn: dsn, dataDir: root, batchShards: 1, logLevel: 'error' });
  for (let n = 1; n <= 5; n++) {
    const like = counter('posts', 'likes')
      .inc(10 + n)
      .where('id = ?', n === 5 ? `gone\u001b[31m` : `p${n}`);
    await zm.cacheAndPeriodicStore('k', null, like.orInsert({ id: n === 5 ? 'gone\u001b[31m' : `p${n}` }));
  }
  await zm.close();
});
afterAll(async () => {
  await client.end();
  rmSync(root, { recursive: true, force: true });
});

function run(...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: root, env: { PATH: process.env.PATH, ZMSG_POSTGRES_DSN: dsn }, timeout: 50_000 };
    execFile(process.execPath, [cli, 'dead-letters', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

test('an operator lists, shows, retries and discards', async () => {
  const list = await run('list', '--limit', '2');
  expect(list).toMatchObject({ code: 0, stderr: '' });
  const lines = list.stdout.trim().split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[0]).toMatch(/^ID +FAILED +TRIES +OPS +TASK +STATE +ERROR$/);
  expect(lines[1]).toMatch(/ counter posts\.likes id = \? +23514 +new row for relation "posts"/);
  expect(lines[3]).toBe('2 of 5 dead letters');

  const ids = (JSON.parse((await run('list', '--json')).stdout) as { id: string }[]).map(({ id }) => id);
  expect(ids).toHaveLength(5);
  const [first, second, third] = ids as [string, string, string];
  const shown = await Promise.all(ids.map((id) => run('show', id)));
  expect(shown.map(({ stdout }) => stdout).join()).toContain('change: + 15');
  // What a task holds must not steer the terminal.
  expect(shown.map(({ stdout }) => stdout).join()).not.toContain('\u001b');
  expect(JSON.parse((await run('show', first, '--json')).stdout)).toMatchObject({
    id: first,
    canRetry: true,
  });

  expect(await run('retry', first)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^\d+: refused again: new row .*\(23514\)\n$/),
  });
  expect((await run('discard', first, first)).stdout).toBe('1 discarded\n');
  expect(await run('discard', first)).toMatchObject({ code: 1, stdout: '0 discarded\n' });

  await client.query('ALTER TABLE posts DROP CONSTRAINT posts_likes_check');
  expect(await run('retry', second, first)).toMatchObject({
    code: 1,
    stdout: `${second}: applied\n${first}: not there, or another retry is at it\n`,
  });
  const all = await run('retry', '--all', '--json', '--postgres', dsn);
  expect(all.code).toBe(0);
  expect(JSON.parse(all.stdout)).toMatchObject([{ id: third, outcome: 'applied', rowCount: 1 }, {}, {}]);
  expect(await run('retry', '--all')).toMatchObject({ code: 0, stdout: 'nothing to retry\n' });
  expect(await run('list')).toMatchObject({ code: 0, stdout: '0 of 0 dead letters\n' });
  expect((await client.query('SELECT count(*)::int AS n FROM posts WHERE likes > 10')).rows).toEqual([
    { n: 4 },
  ]);
});

test('mistakes are one clear line and exit code 1', async () => {
  for (const [args, message] of [
    [['retry'], /give ids, or --all/],
    [['discard', '--all', '1'], /give ids, or --all/],
    [['show', '123456'], /there is no dead letter 123456/],
    [['show', 'x'], /"x" is no id/],
    [['list', '--limit', 'many'], /limit must be an integer/],
    [['list', '--postgres', 'postgresql://u:geheim@127.0.0.1:1/d'], /ECONNREFUSED/],
  ] as const) {
    const { code, stdout, stderr } = await run(...args);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).not.toContain('geheim');
  }
});
