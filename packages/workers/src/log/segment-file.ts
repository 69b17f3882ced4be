import { join } from 'node:path';
import { failpoint } from '../failpoint.js';
import type { FrameBuffer } from './frame-buffer.js';
import { type LogFiles, syncDirectory, tryUnlink, writeFully } from './log-files.js';
import { type SegmentHeader, writeSegmentHeader } from './segment-header.js';
import { segmentName, TEMPORARY } from './segment-name.js';

const ZEROS = Buffer.alloc(256 * 1024);

/** The segment that is written: an open file of which every byte is already there, as a zero. */
export class SegmentFile {
  readonly file: string;
  readonly size: number;
  readonly #fd: number;
  readonly #files: LogFiles;
  readonly #salt: number;
  /** Where the next frame goes. */
  #end: number;
  #syncedTo: number;

  private constructor(file: string, fd: number, size: number, end: number, salt: number, files: LogFiles) {
    this.file = file;
    this.size = size;
    this.#fd = fd;
    this.#files = files;
    this.#salt = salt;
    this.#end = end;
    this.#syncedTo = end;
  }

  /**
   * Makes a segment of at least `size` bytes with `image`, its first frames, in it. It gets its name
   * when all of it is on disk: frames that are written again are never in neither of two segments. If
   * this fails, the segment may still be there: nothing may be added to the one before.
   */
  static create(
    dir: string,
    header: SegmentHeader,
    image: Buffer,
    size: number,
    files: LogFiles,
  ): SegmentFile {
    writeSegmentHeader(image, header);
    const file = join(dir, segmentName(header.sequence, header.salt));
    const temporary = file + TEMPORARY;
    let fd: number | undefined;
    try {
      failpoint('log:segment:create');
      fd = files.openSync(temporary, 'wx', 0o600);
      failpoint('log:append:before');
      writeFully(files, fd, image, 0, image.length, 0);
      for (let at = image.length; at < size; at += ZEROS.length) {
        writeFully(files, fd, ZEROS, 0, Math.min(ZEROS.length, size - at), at);
      }
      failpoint('log:append:after');
      failpoint('log:sync:before');
      files.fsyncSync(fd);
      failpoint('log:sync:after');
      files.renameSync(temporary, file);
      syncDirectory(files, dir);
      failpoint('log:segment:rotated');
      return new SegmentFile(file, fd, Math.max(size, image.length), image.length, header.salt, files);
    } catch (error) {
      if (fd !== undefined) tryClose(files, fd);
      tryUnlink(files, temporary);
      tryUnlink(files, file);
      throw error;
    }
  }

  /** Bytes that a frame may still take. */
  get free(): number {
    return this.size - this.#end;
  }

  get isSynced(): boolean {
    return this.#syncedTo === this.#end;
  }

  /** Writes what is collected in `buffer`, which fits. */
  write(buffer: FrameBuffer): void {
    buffer.seal(this.#end, this.#salt, this.#syncedTo);
    failpoint('log:append:before');
    const from = buffer.owedBytes;
    const to = from + buffer.collectedBytes;
    writeFully(this.#files, this.#fd, buffer.bytes, from, to, this.#end);
    failpoint('log:append:after');
    this.#end += to - from;
  }

  sync(): void {
    failpoint('log:sync:before');
    this.#files.fdatasyncSync(this.#fd);
    failpoint('log:sync:after');
    this.#syncedTo = this.#end;
  }

  close(): void {
    tryClose(this.#files, this.#fd);
  }
}

/** Everything that matters was synced before, or failed to: what close() says changes nothing. */
function tryClose(files: LogFiles, fd: number): void {
  try {
    files.closeSync(fd);
  } catch {}
}
