import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDatabase } from '@zmsg/testbed';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { checkRun } from '../dist/run-check.js';

const SUITES = ['builders', 'statements'];

let dir: string;
let file: string;

/** Exit code and both outputs of one of the bench's programs. */
function run(
  program: string,
  ...args: string[]
): Promise<{ status: unknown; stdout: string; stderr: string }> {
  const path = fileURLToPath(new URL(`../dist/${program}.js`, import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [path, ...args], { cwd: dir }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'zmsg-bench-test-'));
  file = join(dir, 'run.json');
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('a quick run measures what it was asked for, and every figure is a number', {
  timeout: 240_000,
}, async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const servers = ['--postgres', dsn, '--redis', inject('redisAddr')];
  const done = await run('main', '--quick', '--only', SUITES.join(), '--json', file, ...servers);
  expect(done.status, done.stderr).toBe(0);
  const result = JSON.parse(readFileSync(file, 'utf8'));
  expect(checkRun(result)).toEqual({ faults: [], holes: [] });
  expect(result.quick).toBe(true);
  expect(result.suites.map(({ name }: { name: string }) => name).toSorted()).toEqual(SUITES);
});

test('it is no worse than itself', async () => {
  const { status, stdout } = await run('main', '--compare', file, '--results', file);
  expect(status).toBe(0);
  expect(stdout).toContain('0 worse, 0 better');
});

test('it becomes a report', async () => {
  const { status, stderr } = await run('report/main', file, '--out', join(dir, 'report'));
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const page = readFileSync(join(dir, 'report/index.html'), 'utf8');
  expect(page).toContain('A quick run.');
  expect(page).toContain('data-changing statements per 1,000 likes');
});

test('it becomes an analysis', async () => {
  const { status, stdout } = await run('analyse/main', file);
  expect(status).toBe(0);
  expect(stdout).toContain('A quick run.');
  expect((await run('analyse/main', file, '--out', join(dir, 'analysis.md'))).stdout).toBe('');
  expect(readFileSync(join(dir, 'analysis.md'), 'utf8')).toBe(stdout);
});

test('an analysis of what is no run ends with 2 and the name of the file', async () => {
  const { status, stderr } = await run('analyse/main', join(dir, 'nowhere.json'));
  expect(status).toBe(2);
  expect(stderr).toContain('nowhere.json holds no figures');
});
