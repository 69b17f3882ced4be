import { crc32c } from '@node-rs/crc32';

/**
 * A segment: one file of the log of a shard. All numbers are little-endian.
 *
 * ```
 * byte   0  "zmsgwal" 0
 *        8  u32 version            12  u32 shard
 *       16  the log's id, 16 bytes
 *       32  u32 run                36  u32 salt          40  u32 sequence      44  u32 0
 *       48  f64 previous           56  u32 0             60  u32 CRC32C of bytes 0 to 59
 * byte 4096  frames, each at a multiple of 64
 *            zeros to the end of the file
 * ```
 *
 * `run` numbers the runs of the process. `salt` is random and seeds every CRC of the frames, so that a
 * frame of another segment never counts as one of this. `sequence` orders the segments of a shard.
 * `previous` is the position up to which the segments before this one count: what they hold beyond is
 * void. The frames have pages of their own, so that no append writes the header again. A segment gets its
 * name when its first frames are on disk; without any it is only after an operator cut them off.
 */
export interface SegmentHeader {
  readonly logId: string;
  readonly shard: number;
  readonly run: number;
  readonly salt: number;
  readonly sequence: number;
  readonly previous: number;
}

export const FRAMES_AT = 4096;
const VERSION = 1;
const MAGIC = Buffer.from('zmsgwal\0', 'latin1');
const CRC_AT = 60;

export function writeSegmentHeader(bytes: Buffer, header: SegmentHeader): void {
  bytes.fill(0, 0, FRAMES_AT);
  bytes.set(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(header.shard, 12);
  bytes.write(header.logId.replaceAll('-', ''), 16, 16, 'hex');
  bytes.writeUInt32LE(header.run, 32);
  bytes.writeUInt32LE(header.salt, 36);
  bytes.writeUInt32LE(header.sequence, 40);
  bytes.writeDoubleLE(header.previous, 48);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, CRC_AT)), CRC_AT);
}

/** The header, or what is wrong with it. */
export function readSegmentHeader(bytes: Buffer): SegmentHeader | string {
  if (bytes.length < FRAMES_AT) return 'the file is shorter than its header';
  if (crc32c(bytes.subarray(0, CRC_AT)) !== bytes.readUInt32LE(CRC_AT))
    return 'the header has a wrong checksum';
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return 'this is not a segment of a log';
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION) return `format version ${version} is not known (this program knows ${VERSION})`;
  return {
    logId: bytes.toString('hex', 16, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    shard: bytes.readUInt32LE(12),
    run: bytes.readUInt32LE(32),
    salt: bytes.readUInt32LE(36),
    sequence: bytes.readUInt32LE(40),
    previous: bytes.readDoubleLE(48),
  };
}
