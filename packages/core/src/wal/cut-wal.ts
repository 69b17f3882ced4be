import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { LogError } from '@zmsg/workers';
import { cutLog, type LogCut } from '@zmsg/workers/log';
import { lockDataDir } from '../store/data-dir.js';

/**
 * Ends the log of a shard before `offset` of the segment `file`, which lies in `<data_dir>/wal/<shard>`.
 * @throws ConfigError while a live process owns the data directory; LogError when there is nothing to cut.
 */
export function cutWal(file: string, offset: number): LogCut {
  const segment = resolve(file);
  const wal = dirname(dirname(segment));
  if (basename(wal) !== 'wal' || !existsSync(segment)) {
    throw new LogError(`${segment} is not a segment of a log, DIR/wal/SHARD/NAME.seg`, { file: segment });
  }
  const lock = lockDataDir(dirname(wal));
  try {
    return cutLog({ file: segment, offset });
  } finally {
    lock.release();
  }
}
