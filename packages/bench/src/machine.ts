import { execFileSync } from 'node:child_process';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import type { Machine } from './result.js';

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown processor',
    cpus: cpus().length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    v8: process.versions.v8,
    commit: commit(),
    startedAt: new Date().toISOString(),
  };
}

function commit(): string | undefined {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const hash = git('rev-parse', '--short=12', 'HEAD').trim();
    return git('status', '--porcelain').trim() === '' ? hash : `${hash}+`;
  } catch {
    return undefined; // no git, or no checkout
  }
}
