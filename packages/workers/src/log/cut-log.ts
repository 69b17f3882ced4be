import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { LogError } from '../error.js';
import { hasWholePayload, readFrameHeader, SLOT } from './frame.js';
import { type LogFiles, listFiles, NODE_FILES, syncDirectory, writeFully } from './log-files.js';
import { listSegments } from './segment-chain.js';
import { FRAMES_AT, readSegmentHeader } from './segment-header.js';
import { CUT, sequenceOf, TEMPORARY } from './segment-name.js';

export interface LogCut {
  /** Operations that could be read and do not count any more. */
  readonly discarded: number;
  /** The files that hold what was cut off. */
  readonly files: readonly string[];
}

/**
 * Ends the log of a shard before `offset` of the segment `file`, on an operator's explicit request:
 * what lies behind, later segments included, is moved to files beside it, whose names end in `.cut`. A
 * process that dies over it leaves a log that can be cut again.
 * @throws LogError when there is no such segment, no frame can begin at `offset`, or the disk fails.
 */
export function cutLog(
  { file, offset }: { readonly file: string; readonly offset: number },
  files: LogFiles = NODE_FILES,
): LogCut {
  const dir = dirname(file);
  const sequence = sequenceOf(basename(file));
  if (sequence === undefined) throw new LogError(`${file} is not a segment of a log`, { file });
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % SLOT !== 0) {
    throw new LogError(`${file} cannot be cut at ${offset}: frames begin at multiples of ${SLOT}`, {
      file,
      offset,
    });
  }
  try {
    const bytes = files.readFileSync(file);
    if (offset > bytes.length) {
      throw new LogError(`${file} cannot be cut at ${offset}: it has ${bytes.length} bytes`, {
        file,
        offset,
      });
    }
    const later = listSegments(dir, files)
      .filter((name) => (sequenceOf(name) as number) > sequence)
      .map((name) => join(dir, name));
    const counted = new Map<number, number>();
    countOperations(bytes, offset, counted);
    for (const next of later) countOperations(files.readFileSync(next), FRAMES_AT, counted);
    // A cut that was interrupted goes on where it was: the newest goes first, the segment itself last.
    const moved = later.reverse().map((next) => moveAway(next, files));
    const rest = cutSegment(file, bytes, offset, files);
    syncDirectory(files, dir);
    const discarded = [...counted.values()].reduce((sum, count) => sum + count, 0);
    return { discarded, files: rest === undefined ? moved : [rest, ...moved] };
  } catch (error) {
    if (error instanceof LogError) throw error;
    throw new LogError(`${file} cannot be cut: ${(error as Error).message}`, { cause: error, file, offset });
  }
}

function cutSegment(file: string, bytes: Buffer, offset: number, files: LogFiles): string | undefined {
  const header = readSegmentHeader(bytes);
  // Without frames its header still says how far the segments before it count.
  if (typeof header === 'string') return moveAway(file, files);
  const keep = Math.max(offset, FRAMES_AT);
  if (keep >= bytes.length) return undefined;
  const target = cutName(file, files);
  const temporary = target + TEMPORARY;
  const copy = files.openSync(temporary, 'wx', 0o600);
  try {
    writeFully(files, copy, bytes, keep, bytes.length, 0);
    files.fsyncSync(copy);
  } finally {
    files.closeSync(copy);
  }
  files.renameSync(temporary, target);
  syncDirectory(files, dirname(file));
  const fd = files.openSync(file, 'r+');
  try {
    files.ftruncateSync(fd, keep);
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
  return target;
}

function moveAway(file: string, files: LogFiles): string {
  const target = cutName(file, files);
  files.renameSync(file, target);
  syncDirectory(files, dirname(file));
  return target;
}

function cutName(file: string, files: LogFiles): string {
  const name = file + CUT;
  const isTaken = listFiles(dirname(file), files).includes(basename(name));
  // A second cut of the same segment does not replace what the first one moved away.
  return isTaken ? `${file}.${randomBytes(4).toString('hex')}${CUT}` : name;
}

/** Adds every whole frame from `from` on, readable or not from the begin, by its position. */
function countOperations(bytes: Buffer, from: number, counted: Map<number, number>): void {
  const header = readSegmentHeader(bytes);
  if (typeof header === 'string') return;
  for (let at = Math.max(from, FRAMES_AT); at + SLOT <= bytes.length; ) {
    const frame = readFrameHeader(bytes, at, header.salt);
    const isWhole = frame !== undefined && hasWholePayload(bytes, frame, header.salt);
    // A frame that was written again in a later segment counts once.
    if (isWhole) counted.set(frame.position, frame.count);
    at += isWhole ? frame.length : SLOT;
  }
}
