import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** The code of the first JavaScript block behind a heading. */
function snippet(heading: string): string {
  const from = README.slice(README.indexOf(heading));
  return /```js\n([\s\S]*?)```/.exec(from)?.[1] ?? '';
}

test('the quick start of the README prints what its comments say', { timeout: 120_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'zmsg-readme-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', snippet('## Quick start')],
    {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      env: { ...process.env, ZMSG_DATA_DIR: dir, ZMSG_LOG_LEVEL: 'error' },
      encoding: 'utf8',
    },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.trim().split('\n')).toEqual(['{"content":"Hello"}', '[ { like_count: 1000 } ]']);
});
