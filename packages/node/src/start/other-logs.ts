import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LaunchSettings } from '@zmsg/core/launch';

/**
 * Warns of logs under `dataDir` that no engine is going to open now: after a crash it was started with
 * fewer processes, or in the other mode. What they hold was acknowledged and is not in PostgreSQL.
 * @param own Directories that are opened.
 */
export function warnOfOtherLogs(
  dataDir: string,
  own: readonly string[],
  logger: LaunchSettings['logger'],
): void {
  const numbered = entries(dataDir).filter((name) => /^[1-9]\d*$/.test(name));
  for (const dir of [dataDir, ...numbered.map((name) => join(dataDir, name))]) {
    if (own.includes(dir) || entries(join(dir, 'wal')).length === 0) continue;
    const what = 'no engine opens this log now, and it may hold acknowledged writes';
    logger.error({ dir }, `${what}: start as before, or apply it with: zmsg-node wal adopt ${dir}`);
  }
}

/** Empty for what is not there. What cannot be read the engine will say. */
function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
