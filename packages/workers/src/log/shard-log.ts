import { randomBytes } from 'node:crypto';
import { LogError } from '../error.js';
import { failpoint } from '../failpoint.js';
import { Definitions } from './definitions.js';
import { FoundLog, type LogTail } from './found-log.js';
import { FrameBuffer, type LogAppend } from './frame-buffer.js';
import { type LogFiles, NODE_FILES, syncDirectory } from './log-files.js';
import type { LogFrame } from './log-frame.js';
import { SegmentFile } from './segment-file.js';
import type { SegmentHeader } from './segment-header.js';

const SEGMENT_BYTES = 4 << 20;
const MAX_UNSYNCED_BYTES = 16 << 20;
const RETRY_MS = 100;

export interface ShardLogOptions {
  /** Directory of the shard's segments; created if need be. */
  readonly dir: string;
  /** UUID of the log. */
  readonly logId: string;
  readonly shard: number;
  /** Number of this run of the process; u32, kept with every frame. */
  readonly run: number;
  /** Size of a segment, unless one commit needs more. @default 4 MiB */
  readonly segmentBytes?: number | undefined;
  /** For tests. @default node:fs */
  readonly files?: LogFiles | undefined;
  /** Milliseconds. @default performance.now */
  readonly now?: (() => number) | undefined;
}

/** A segment that is not written any more. */
interface OldSegment {
  readonly file: string;
  readonly bytes: number;
  /** Position of the last operation that counts, here or before. */
  readonly last: number;
}

/**
 * The write-ahead log of one shard: synchronous, on one thread.
 *
 * ```
 * no segment ── write ──▶ segment ── write, sync ──▶ segment
 *     ▲                     │  full, or a failed write or fsync: a new segment takes what is not on disk
 *     └── that fails too ───┘
 * ```
 *
 * An operation is *collected* by `append`, survives the process after `write`, and a power loss after
 * `sync`. Until then it is *owed* and kept in memory: an fsync that failed may have thrown the pages
 * away, and the next one would succeed without them. So a segment with a failure is never written
 * again, and what it owes is written to a new one, which begins behind the last synced operation; what
 * the old segment holds beyond is void from that moment.
 *
 * Nothing is added to a segment of an earlier run. A torn tail is cut in the same way: the next segment
 * begins before it.
 */
export class ShardLog {
  /** Position of the last operation that was there at open; 0 if there was none. */
  readonly end: number;
  /** What was cut off at open, if anything was. */
  readonly tail: LogTail | undefined;

  readonly #dir: string;
  readonly #logId: string;
  readonly #shard: number;
  readonly #run: number;
  readonly #segmentBytes: number;
  readonly #files: LogFiles;
  readonly #now: () => number;

  readonly #found: FoundLog;
  /** Oldest first. */
  readonly #old: OldSegment[];
  readonly #definitions = new Definitions();
  readonly #buffer: FrameBuffer;
  #segment: SegmentFile | undefined;
  #sequence: number;
  /** Position up to which the segments can be read after a power loss. */
  #durable: number;
  #written: number;
  /** Position of the last operation before those that the buffer holds. */
  #base: number;
  #retryAt = Number.NEGATIVE_INFINITY;
  #lastFailure: unknown;
  /** A file was deleted, perhaps by an earlier run, and the directory not synced since. */
  #hasUnsyncedDelete = true;

  /**
   * Reads what is there.
   * @throws LogError when something in it was damaged, belongs to another log or shard, or the disk fails.
   */
  static open(options: ShardLogOptions): ShardLog {
    return new ShardLog(options);
  }

  private constructor(options: ShardLogOptions) {
    this.#dir = options.dir;
    this.#logId = options.logId;
    this.#shard = options.shard;
    this.#run = options.run;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#files = options.files ?? NODE_FILES;
    this.#now = options.now ?? (() => performance.now());
    try {
      this.#found = FoundLog.open(options.dir, options, this.#files);
    } catch (error) {
      throw error instanceof LogError ? error : failure('the log cannot be opened', this.#dir, error);
    }
    const { segments, end, tail } = this.#found;
    this.end = end;
    this.tail = tail;
    this.#old = segments.map(({ file, bytes, last }) => ({ file, bytes, last }));
    this.#sequence = segments.at(-1)?.sequence ?? 0;
    this.#durable = this.end;
    this.#written = this.end;
    this.#base = this.end;
    this.#buffer = new FrameBuffer(this.end);
  }

  /** Position up to which everything logged is on disk, or was released. */
  get synced(): number {
    return this.#buffer.owedBytes === 0 ? this.#written : this.#durable;
  }

  /** Position up to which everything logged was written. */
  get written(): number {
    return this.#written;
  }

  /** Bytes of its files. */
  get bytes(): number {
    return this.#old.reduce((sum, { bytes }) => sum + bytes, this.#segment?.size ?? 0);
  }

  /**
   * Collects an operation, in memory.
   * @throws RangeError when its position is not behind that of the last one.
   */
  append(operation: LogAppend): void {
    this.#buffer.append(operation, this.#definitions);
  }

  /**
   * Writes what was collected. Syncs as well when more than 16 MiB are not, or a new segment is due.
   * @throws LogError when neither this segment nor a new one takes it. Then what was collected is
   *   dropped; what was written before stays owed. Fails at once within 100 ms after a failure.
   */
  write(): void {
    this.#buffer.finish();
    if (this.#buffer.collectedBytes === 0) return;
    const segment = this.#segment;
    if (segment === undefined || this.#buffer.collectedBytes > segment.free) {
      this.#rotate();
      return;
    }
    try {
      segment.write(this.#buffer);
    } catch (error) {
      this.#abandon(segment);
      this.#renew(error);
      return;
    }
    this.#buffer.markWritten();
    this.#written = this.#buffer.last;
    if (this.#buffer.owedBytes > MAX_UNSYNCED_BYTES) this.sync();
  }

  /**
   * Makes durable what was written.
   * @throws LogError when neither this segment nor a new one can be synced. What was written stays owed,
   *   what was collected is dropped. Fails at once within 100 ms after a failure.
   */
  sync(): void {
    const segment = this.#segment;
    if (segment === undefined) {
      if (this.#buffer.owedBytes > 0) this.#renew(this.#lastFailure);
      return;
    }
    if (segment.isSynced) return;
    try {
      segment.sync();
    } catch (error) {
      this.#abandon(segment);
      if (this.#buffer.owedBytes > 0) this.#renew(error);
      return;
    }
    this.#settle();
    this.#durable = this.#written;
  }

  /** Everything up to `position` is applied: deletes the segments that hold nothing newer. */
  release(position: number): void {
    if (this.#buffer.owedBytes > 0 && position >= this.#written) this.#settle();
    for (let oldest = this.#old[0]; oldest !== undefined && oldest.last <= position; oldest = this.#old[0]) {
      if (!this.#delete(oldest.file)) return;
      this.#old.shift();
    }
  }

  /**
   * What was there at open and is newer than `after`: see `FoundLog.frames`.
   * @throws LogError when operations behind `after` are not in the log any more.
   */
  frames(after: number): Generator<LogFrame> {
    return this.#found.frames(after);
  }

  /** Closes its file. What was collected and not written is gone. */
  close(): void {
    if (this.#segment !== undefined) this.#abandon(this.#segment);
  }

  /**
   * Closes it and deletes its files; the directory too, if nothing else is in it.
   * @throws LogError when a file cannot be deleted.
   */
  destroy(): void {
    this.close();
    this.release(Number.POSITIVE_INFINITY);
    const [left] = this.#old;
    if (left !== undefined) throw new LogError(`${left.file} cannot be deleted`, { file: left.file });
    try {
      syncDirectory(this.#files, this.#dir);
      this.#files.rmdirSync(this.#dir);
    } catch {
      // What an operator cut off is still there.
    }
  }

  /** A new segment is due. What the old one owes is made durable first, so that it is not written twice. */
  #rotate(): void {
    const segment = this.#segment;
    let cause: unknown;
    if (segment !== undefined) {
      try {
        if (!segment.isSynced) segment.sync();
        this.#settle();
        this.#durable = this.#written;
      } catch (error) {
        cause = error;
      }
      this.#abandon(segment);
    }
    this.#renew(cause);
  }

  /** Puts all that is owed and collected into a new segment. `cause`: what was wrong with the last one. */
  #renew(cause: unknown): void {
    if (this.#now() < this.#retryAt) this.#refuse('the log could not be written a moment ago', cause);
    this.#sequence += 1;
    const header: SegmentHeader = {
      logId: this.#logId,
      shard: this.#shard,
      run: this.#run,
      salt: randomBytes(4).readUInt32LE(0),
      sequence: this.#sequence,
      previous: this.#durable,
    };
    try {
      const image = this.#buffer.image(this.#definitions, this.#base, header.salt);
      this.#segment = SegmentFile.create(this.#dir, header, image, this.#segmentBytes, this.#files);
    } catch (error) {
      this.#retryAt = this.#now() + RETRY_MS;
      this.#refuse(
        'the log cannot be written',
        cause === undefined
          ? error
          : new AggregateError([cause, error], `${messageOf(cause)}; in a new segment: ${messageOf(error)}`),
      );
    }
    // The directory was synced.
    this.#hasUnsyncedDelete = false;
    this.#definitions.rotate(this.#base);
    this.#buffer.markWritten();
    this.#written = this.#buffer.last;
    this.#durable = this.#written;
    this.#settle();
  }

  #refuse(what: string, cause: unknown): never {
    this.#lastFailure = cause ?? this.#lastFailure;
    this.#buffer.dropCollected(this.#written);
    this.#definitions.drop(this.#written);
    throw failure(what, this.#dir, this.#lastFailure);
  }

  /** What is owed is on disk, or applied. */
  #settle(): void {
    this.#buffer.settle();
    this.#base = this.#written;
  }

  #abandon(segment: SegmentFile): void {
    segment.close();
    // Until a new segment has what is owed, this one is the only copy that outlives the process.
    this.#old.push({ file: segment.file, bytes: segment.size, last: this.#written });
    this.#segment = undefined;
  }

  /**
   * Deletes the oldest segment. The order must hold after a power loss too: a newer one that is gone
   * while an older is still there would be a gap.
   */
  #delete(file: string): boolean {
    try {
      failpoint('log:segment:delete');
      if (this.#hasUnsyncedDelete) syncDirectory(this.#files, this.#dir);
      this.#hasUnsyncedDelete = true;
      this.#files.unlinkSync(file);
      failpoint('log:segment:deleted');
      return true;
    } catch (error) {
      // Any other reason may pass; the next release tries again.
      return (error as NodeJS.ErrnoException).code === 'ENOENT';
    }
  }
}

function failure(what: string, file: string, cause: unknown): LogError {
  return new LogError(`${what}: ${messageOf(cause)} (${file})`, { cause, file });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
