import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDatabase, freePort } from '@zmsg/testbed';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Launcher } from '../packages/node/test/launcher.js';

const PAGE = readFileSync(new URL('../docs/threads.md', import.meta.url), 'utf8');
const HERE = fileURLToPath(new URL('.', import.meta.url));

/** The JavaScript block behind a heading, as a file from which the packages are found. */
function snippet(heading: string, change = (code: string) => code): string {
  const dir = mkdtempSync(join(HERE, 'threads-page-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const from = PAGE.slice(PAGE.indexOf(`\n## ${heading}\n`));
  const file = join(dir, 'app.mjs');
  writeFileSync(file, change(/```js\n([\s\S]*?)```/.exec(from)?.[1] ?? ''));
  return file;
}

test('the application of docs/threads.md counts in two threads', { timeout: 120_000 }, async () => {
  const port = await freePort();
  const file = snippet('The application', (code) => code.replace('port: 3000', `port: ${port}`));
  const launcher = await Launcher.start([file, '--threads', '2']);
  await launcher.logged('all threads are ready');
  const seen: number[] = [];
  const threads = new Set<string>();
  while (threads.size < 2) {
    const response = await fetch(`http://127.0.0.1:${port}/a`, { headers: { connection: 'close' } });
    const [, views, thread = ''] =
      /^\/a: (\d+) views, says (thread [12])\n$/.exec(await response.text()) ?? [];
    seen.push(Number(views));
    threads.add(thread);
  }
  expect(seen).toEqual(seen.map((_, index) => index + 1));
  launcher.kill('SIGTERM');
  expect(await launcher.ended(), launcher.stderr).toBe(0);
});

test('the threads of its own of docs/threads.md print what the comment says', {
  timeout: 120_000,
}, async () => {
  const file = snippet('Threads of your own');
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    cwd: join(file, '..'),
    env: {
      PATH: process.env.PATH,
      ZMSG_POSTGRES_DSN: await createDatabase(inject('postgresPort')),
      ZMSG_LOG_LEVEL: 'error',
    },
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '2000 likes\n', stderr: '' });
});
