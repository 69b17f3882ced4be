import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { LogError } from '../error.js';
import { NODE_FILES, syncDirectory } from './log-files.js';

const FORMAT = 1;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a log consists of: `log.json` in its directory. */
export interface LogLayout {
  readonly format: typeof FORMAT;
  /** UUID under which PostgreSQL counts the operations of this log. */
  readonly logId: string;
  readonly shards: number;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** Directory of a shard's segments. */
export function shardDir(walDir: string, shard: number): string {
  return join(walDir, String(shard).padStart(3, '0'));
}

/**
 * Undefined if there is no log in `walDir`.
 * @throws LogError when the file cannot be read or is of another format.
 */
export function readLayout(walDir: string): LogLayout | undefined {
  const file = layoutFile(walDir);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LogError(`${file} cannot be read: ${(error as Error).message}`, { cause: error, file });
  }
  let layout: Partial<Record<keyof LogLayout, unknown>> | null;
  try {
    layout = JSON.parse(text);
  } catch (error) {
    throw new LogError(`${file} is not JSON: ${(error as Error).message}`, { cause: error, file });
  }
  if (layout?.format !== FORMAT) {
    throw new LogError(`${file} has format ${layout?.format}; this program knows ${FORMAT}`, { file });
  }
  const { logId, shards, createdAt } = layout;
  if (typeof logId !== 'string' || !UUID.test(logId)) throw wrong(file, 'logId');
  if (typeof shards !== 'number' || !Number.isInteger(shards) || shards < 1) throw wrong(file, 'shards');
  if (typeof createdAt !== 'string') throw wrong(file, 'createdAt');
  return { format: FORMAT, logId, shards, createdAt };
}

/**
 * Begins a log; `walDir` is created if need be. The file is whole as soon as it is there.
 * @throws LogError when it cannot be written.
 */
export function createLayout(
  walDir: string,
  { logId, shards }: Pick<LogLayout, 'logId' | 'shards'>,
): LogLayout {
  const file = layoutFile(walDir);
  const layout: LogLayout = {
    format: FORMAT,
    logId,
    shards,
    createdAt: new Date().toISOString(),
  };
  const temporary = `${file}.tmp`;
  try {
    mkdirSync(walDir, { recursive: true, mode: 0o700 });
    const fd = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(fd, `${JSON.stringify(layout, undefined, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
    syncDirectory(NODE_FILES, walDir);
    syncDirectory(NODE_FILES, dirname(walDir));
  } catch (error) {
    throw new LogError(`${file} cannot be written: ${(error as Error).message}`, { cause: error, file });
  }
  return layout;
}

/**
 * Ends a log of which nothing is needed any more; the shards' segments are to be deleted before.
 * @throws LogError when the file cannot be deleted.
 */
export function removeLayout(walDir: string): void {
  const file = layoutFile(walDir);
  try {
    unlinkSync(file);
    syncDirectory(NODE_FILES, walDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new LogError(`${file} cannot be deleted: ${(error as Error).message}`, { cause: error, file });
  }
}

function layoutFile(walDir: string): string {
  return join(walDir, 'log.json');
}

function wrong(file: string, field: string): LogError {
  return new LogError(`${file}: "${field}" is missing or wrong`, { file });
}
