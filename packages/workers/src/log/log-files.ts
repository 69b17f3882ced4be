import * as fs from 'node:fs';

/** The file operations that the log uses. Tests hand in their own to let one fail. */
export type LogFiles = Pick<
  typeof fs,
  | 'closeSync'
  | 'fdatasyncSync'
  | 'fsyncSync'
  | 'ftruncateSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readFileSync'
  | 'readdirSync'
  | 'renameSync'
  | 'rmdirSync'
  | 'unlinkSync'
  | 'writeSync'
>;

export const NODE_FILES: LogFiles = fs;

/** Writes all of `bytes[from…to)` at `offset`: the system may take less than it was given. */
export function writeFully(
  files: LogFiles,
  fd: number,
  bytes: Buffer,
  from: number,
  to: number,
  offset: number,
): void {
  for (let at = from; at < to; ) at += files.writeSync(fd, bytes, at, to - at, offset + at - from);
}

/** Makes the names in `dir` durable. */
export function syncDirectory(files: LogFiles, dir: string): void {
  // Windows has no handles on directories; NTFS keeps its names in a journal.
  if (process.platform === 'win32') return;
  const fd = files.openSync(dir, 'r');
  try {
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

/** Names in `dir`; none if it is not there. */
export function listFiles(dir: string, files: LogFiles): string[] {
  try {
    return files.readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Best effort: what cannot be deleted is deleted by the next one that opens the log. */
export function tryUnlink(files: LogFiles, file: string): void {
  try {
    files.unlinkSync(file);
  } catch {
    // Not there, or a disk that refuses everything.
  }
}
