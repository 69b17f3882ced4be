import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scenario } from '../scenario.js';

/** The first segments of four shards, 4 MiB each, and one more. */
const SIZE = '22m';

/** The data directory is on a small file system, which fills up while PostgreSQL is too slow to drain it. */
export const fullDisk: Scenario = {
  name: 'full-disk',
  title: 'the file system of the log fills up',
  cycles: 1,
  unavailable() {
    const dir = mkdtempSync(join(tmpdir(), 'zmsg-faults-mount-'));
    try {
      mount(dir, '1m');
      unmount(dir);
      return undefined;
    } catch {
      return 'no file system can be mounted here';
    } finally {
      rmdirSync(dir);
    }
  },
  async cycle(arena, at) {
    const dir = arena.dataDir('a');
    if (at === 0) {
      mkdirSync(dir, { recursive: true });
      mount(dir, SIZE);
    }
    const process = arena.launch({ rate: 3_000, inFlight: 800, putBytes: 64 << 10 });
    await process.opened;
    await arena.pause(500);
    // Of one table: with several it may come into a deadlock with the flushes.
    await arena.query('BEGIN; LOCK TABLE zmsg_data; SELECT pg_sleep(3); COMMIT');
    await process.stop();
  },
  close(arena, keep) {
    if (!keep) unmount(arena.dataDir('a'));
  },
};

function mount(dir: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'zmsg-faults', dir], { stdio: 'pipe' });
}

function unmount(dir: string): void {
  execFileSync('umount', [dir], { stdio: 'pipe' });
}
