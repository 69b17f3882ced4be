import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { afterAll, expect, inject, test } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'zmsg-node-migrate-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

const dir = join(root, 'schema');
mkdirSync(dir);
writeFileSync(join(dir, '001_posts.sql'), 'CREATE TABLE posts (id text)');
writeFileSync(join(dir, '002_likes.sql'), 'CREATE TABLE likes (id text)');

function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: root, env: { PATH: process.env.PATH, ...env }, timeout: 50_000 };
    execFile(process.execPath, [cli, 'migrate', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

test('it applies the engine’s tables and the directory, one line per file, and then nothing', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const first = await run([dir, '--postgres', dsn]);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  const lines = first.stdout.trim().split('\n');
  expect(lines.map((line) => line.replace(/ \(\d+ ms\)$/, ''))).toEqual([
    'applied 001_engine.sql',
    'applied 002_dead_letters.sql',
    'applied 003_members.sql',
    'applied 004_id_epoch.sql',
    'applied 001_posts.sql',
    'applied 002_likes.sql',
  ]);
  expect(await run([dir, '--postgres', dsn])).toEqual({ code: 0, stdout: 'nothing to apply\n', stderr: '' });
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  expect((await client.query('SELECT * FROM posts, likes, zmsg_data')).rows).toEqual([]);
  await client.end();
});

test('the database comes from a file or the environment, and the flag wins over the environment', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const config = join(root, 'zmsg.yaml');
  writeFileSync(config, `postgres_dsn: ${dsn}\n`);
  expect((await run(['--config', config])).stdout).toMatch(
    /^applied 001_engine\.sql .*\napplied 002_dead_letters\.sql .*\napplied 003_members\.sql .*\napplied 004_id_epoch\.sql .*\n$/,
  );
  expect((await run([], { ZMSG_POSTGRES_DSN: dsn })).stdout).toBe('nothing to apply\n');
  const nowhere = 'postgresql://u:geheim@127.0.0.1:1/d';
  expect((await run(['--postgres', dsn], { ZMSG_POSTGRES_DSN: nowhere })).stdout).toBe('nothing to apply\n');
});

test('errors are one clear line without secrets, and exit code 1', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const broken = join(root, 'broken');
  mkdirSync(broken);
  writeFileSync(join(broken, '001_a.sql'), '\nSELEC 1');
  for (const [args, message] of [
    [[broken, '--postgres', dsn], /001_a\.sql:2: syntax error/],
    [[join(root, 'missing'), '--postgres', dsn], /cannot read the directory .*missing/],
    [['--postgres', 'postgresql://u:geheim@127.0.0.1:1/d'], /ECONNREFUSED/],
    [['--postgres', 'mysql://u:geheim@h/d'], /postgresDsn must be a URL/],
    [['--config', join(root, 'missing.yaml')], /cannot read the configuration file/],
    [['--config', 'x', '--postgres', dsn], /cannot be used with/],
  ] as const) {
    const { code, stderr, stdout } = await run([...args]);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout + stderr).not.toContain('geheim');
  }
});

test('with no database named, the embedded one under the data directory is migrated', async () => {
  const dataDir = join(root, 'data');
  const { code, stdout, stderr } = await run([dir], { ZMSG_DATA_DIR: dataDir });
  expect({ code, lines: stdout.trim().split('\n').length }).toEqual({ code: 0, lines: 6 });
  expect(stderr).toContain('embedded PostgreSQL');
  expect(existsSync(join(dataDir, 'postgres', 'PG_VERSION'))).toBe(true);
  expect(existsSync(join(root, '.zmsg'))).toBe(false);
});
