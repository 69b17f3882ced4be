import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const INSTALLERS: readonly (readonly [command: string, steps: readonly (readonly string[])[]])[] = [
  ['apt-get', [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]],
  ['apk', [['add', 'redis']]],
  ['dnf', [['install', '-y', 'redis']]],
];

/**
 * `redis-server` from the PATH; as root, installed with the system's package manager when missing.
 *
 * @throws Error with one sentence that says what to install.
 */
export function findRedisServer(): string {
  const found = onPath('redis-server');
  if (found !== undefined) return found;
  if (process.getuid?.() === 0) {
    for (const [command, steps] of INSTALLERS) {
      const installer = onPath(command);
      if (installer === undefined) continue;
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
      try {
        for (const step of steps) execFileSync(installer, step, { stdio: 'pipe', env });
      } catch {
        break; // told below: what counts is whether the server is there now
      }
      const installed = onPath('redis-server');
      if (installed !== undefined) return installed;
    }
  }
  throw new Error(
    'The tests need redis-server on the PATH: install it (Debian: apt-get install redis-server; macOS: brew install redis) and run the command again.',
  );
}

function onPath(command: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/usr/local/bin'];
  return folders.map((folder) => join(folder, command)).find((file) => existsSync(file));
}
