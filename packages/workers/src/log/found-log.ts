import { dirname, join } from 'node:path';
import { LogError } from '../error.js';
import { FRAME_HEADER_BYTES, type Frame } from './frame.js';
import { type LogFiles, listFiles, syncDirectory, tryUnlink, writeFully } from './log-files.js';
import type { LogFrame } from './log-frame.js';
import { scanSegment } from './scan-segment.js';
import { type FoundSegment, readChain, type SegmentOwner } from './segment-chain.js';
import type { SegmentHeader } from './segment-header.js';
import { TEMPORARY } from './segment-name.js';

/** What was cut off the end when the log was opened: it was never reported as synced. */
export interface LogTail {
  readonly file: string;
  readonly offset: number;
  /** From `offset` to the last byte that is not zero. */
  readonly bytes: number;
  readonly reason: string;
}

/** What earlier runs left of the log of a shard. */
export class FoundLog {
  /** Oldest first. */
  readonly segments: readonly FoundSegment[];
  readonly tail: LogTail | undefined;
  /** Position of the last operation; 0 if there is none. */
  readonly end: number;
  readonly #files: LogFiles;

  private constructor(segments: readonly FoundSegment[], files: LogFiles) {
    this.segments = segments;
    this.#files = files;
    this.tail = findTail(segments);
    const last = segments.findLast(({ header }) => header !== undefined);
    if (last !== undefined) secure(last, files);
    this.end = last?.last ?? 0;
  }

  /**
   * Reads what is in `dir`, which is created if need be, and makes sure that it is on disk.
   * @throws LogError when something in it was damaged; else what the file system threw.
   */
  static open(dir: string, owner: SegmentOwner, files: LogFiles): FoundLog {
    const isNew = files.mkdirSync(dir, { recursive: true, mode: 0o700 }) !== undefined;
    if (isNew) syncDirectory(files, dirname(dir));
    for (const name of listFiles(dir, files)) {
      if (name.endsWith(TEMPORARY)) tryUnlink(files, join(dir, name));
    }
    return new FoundLog(readChain(dir, owner, files), files);
  }

  /**
   * What was there at open and is newer than `after`, in order. Frames that reach over `after` are
   * whole; before them come those of the same segment that hold definitions, so operations up to `after`
   * are to be passed over.
   * @throws LogError when operations behind `after` are not in the log any more.
   */
  *frames(after: number): Generator<LogFrame> {
    let reached = after;
    for (const found of this.segments) {
      const { header, file, limit } = found;
      if (header === undefined || found.last <= after) continue;
      checkGap(reached, header.previous, found, 0);
      const bytes = this.#read(file);
      const scan = scanSegment(bytes, header, limit);
      if (scan.last !== found.last) {
        throw new LogError(`${file} has changed since the log was opened`, { file, offset: scan.end });
      }
      for (const frame of scan.frames) {
        const isNew = frame.position > after;
        if (isNew) checkGap(reached, frame.previous, found, frame.at);
        if (isNew || frame.definitions > 0) yield toLogFrame(found.name, header, frame, bytes);
        reached = Math.max(reached, frame.position);
      }
    }
  }

  #read(file: string): Buffer {
    try {
      return this.#files.readFileSync(file);
    } catch (error) {
      throw new LogError(`${file} cannot be read: ${(error as Error).message}`, { cause: error, file });
    }
  }
}

/**
 * The tail that an earlier run left may only be in the page cache. Its own fsync may have failed,
 * which a second one would not say: so the same bytes are written again first.
 */
function secure({ file, syncedTo, end }: FoundSegment, files: LogFiles): void {
  if (syncedTo >= end) return;
  const fd = files.openSync(file, 'r+');
  try {
    const bytes = files.readFileSync(file);
    writeFully(files, fd, bytes, syncedTo, Math.min(end, bytes.length), syncedTo);
    files.fdatasyncSync(fd);
  } finally {
    files.closeSync(fd);
  }
}

function toLogFrame(segment: string, { run }: SegmentHeader, frame: Frame, bytes: Buffer): LogFrame {
  const { producer, position, count, ringAt, taken } = frame;
  const start = frame.at + FRAME_HEADER_BYTES;
  const payload = bytes.subarray(start, start + frame.payloadBytes);
  return { segment, run, producer, first: position - count + 1, position, count, ringAt, taken, payload };
}

function checkGap(reached: number, previous: number, { file }: FoundSegment, offset: number): void {
  if (previous <= reached) return;
  const message = `operations ${reached + 1} to ${previous} are not in the log any more: ${file} begins behind them`;
  throw new LogError(message, { file, offset });
}

/** What was cut off the end. Throws if something else than an end was damaged. */
function findTail(found: readonly FoundSegment[]): LogTail | undefined {
  let tail: LogTail | undefined;
  for (const { file, end: offset, fault } of found) {
    if (fault === undefined) continue;
    const { state, reason, bytes } = fault;
    if (state === 'corrupt') {
      const help =
        '`zmsg-node wal check` says what can be read, `zmsg-node wal cut` ends the log before this place';
      throw new LogError(`${file} is damaged at offset ${offset}: ${reason}. ${help}`, { file, offset });
    }
    tail = { file, offset, bytes, reason };
  }
  return tail;
}
