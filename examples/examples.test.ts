import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createDatabase } from '@zmsg/testbed';
import { afterAll, describe, expect, inject, test } from 'vitest';

const run = promisify(execFile);

const dir = mkdtempSync(join(tmpdir(), 'zmsg-examples-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What the program prints, by line. It runs in a directory of its own, so that `.zmsg/` is there. */
async function linesOf(name: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const { stdout, stderr } = await run(process.execPath, [file], {
    cwd: dir,
    env: { ...process.env, ...env },
    timeout: 50_000,
  });
  expect(stderr).toBe('');
  return stdout.trimEnd().split('\n');
}

const QUICK_START = [
  'stored 1 row',
  'from the cache:      {"content":"Hello"}',
  'from the database:   {"content":"Hello"}',
  'a key without a row: undefined',
];

const LIKE_COUNTER = [
  'likes seen:   10000',
  'likes stored: 10000',
  'statements:   less than a hundredth of the likes',
];

const DELAYED_WRITE = ['readable at once: {"content":"Later"}', 'rows now:         0', 'rows afterwards:  1'];

describe.each([
  ['PostgreSQL', async () => ({ ZMSG_POSTGRES_DSN: await createDatabase(inject('postgresPort')) })],
  [
    'PostgreSQL and Redis',
    async () => ({
      ZMSG_POSTGRES_DSN: await createDatabase(inject('postgresPort')),
      ZMSG_REDIS_ADDR: inject('redisAddr'),
      ZMSG_CACHE_PREFIX: `examples-${process.pid}:`,
      // The Redis of the tests keeps no append-only file, which is worth a warning elsewhere.
      ZMSG_LOG_LEVEL: 'error',
    }),
  ],
])('on %s', (_servers, environment) => {
  test('the quick start prints what its comments say, also the second time', async () => {
    const env = await environment();
    expect(await linesOf('quick-start.mjs', env)).toEqual(QUICK_START);
    expect(await linesOf('quick-start.mjs', env)).toEqual(QUICK_START);
  });

  test('every like is seen at once and stored', async () => {
    expect(await linesOf('like-counter.mjs', await environment())).toEqual(LIKE_COUNTER);
  });

  test('a delayed write is readable at once and stored later', async () => {
    expect(await linesOf('delayed-write.mjs', await environment())).toEqual(DELAYED_WRITE);
  });
});

describe('on the embedded PostgreSQL', () => {
  test('the examples run one after the other in one data directory', async () => {
    expect(await linesOf('quick-start.mjs', {})).toEqual(QUICK_START);
    expect(await linesOf('like-counter.mjs', {})).toEqual(LIKE_COUNTER);
    expect(await linesOf('delayed-write.mjs', {})).toEqual(DELAYED_WRITE);
  });
});
