import { crc32c } from '@node-rs/crc32';

/**
 * A frame: a run of consecutive operations of one producer. It begins at a multiple of 64 bytes, so its
 * header never straddles a sector of 512 bytes, the unit in which a disk writes all or nothing.
 *
 * ```
 * byte  0  u32 magic          4  u32 payload bytes    8  u32 CRC32C of the payload   12  u32 count
 *      16  f64 position (of the last operation)      24  f64 previous
 *      32  u32 syncedTo      36  u32 producer        40  u32 ringAt                  44  u32 taken
 *      48  u32 definitions   52  u32 blank sectors   56  u32 0                       60  u32 CRC32C of bytes 0 to 59
 *      64  payload: records, each `i32 length …` padded to 4 bytes
 *          zeros, so that the frame ends at a multiple of 64
 *      -4  u32 trailer, the last bytes of the frame
 * ```
 *
 * Positions inside a frame are consecutive. `previous` is the position of the last operation logged
 * before this frame: the links of a chain. `syncedTo`: up to this offset of the file everything was on
 * disk when the frame was written, so what cannot be read there was damaged later. `definitions`
 * counts the records that are no operations but describe the shape of later ones. `blank sectors` counts
 * the parts of the frame, cut at sectors of the file, that are all zeros by their content: one more, and
 * a sector was never written.
 */
export interface Frame {
  /** Offset in the file. */
  readonly at: number;
  /** Bytes in the file. */
  readonly length: number;
  readonly payloadBytes: number;
  readonly payloadCrc: number;
  readonly count: number;
  readonly position: number;
  readonly previous: number;
  readonly syncedTo: number;
  readonly producer: number;
  readonly ringAt: number;
  readonly taken: number;
  readonly definitions: number;
  readonly blankSectors: number;
}

export const SLOT = 64;
export const FRAME_HEADER_BYTES = 64;
const SECTOR = 512;
const MAGIC = 0x465a_574c;
const TRAILER = 0x1a45_4e44;
const CRC_AT = 60;

/** Bytes of a frame with this payload, trailer and padding included. */
export function frameLength(payloadBytes: number): number {
  return (FRAME_HEADER_BYTES + payloadBytes + 4 + SLOT - 1) & -SLOT;
}

/** The fields that are known before it is known where the frame will lie. */
export function writeFrame(
  bytes: Buffer,
  at: number,
  fields: Pick<
    Frame,
    'payloadBytes' | 'count' | 'position' | 'previous' | 'producer' | 'ringAt' | 'taken' | 'definitions'
  >,
): void {
  bytes.writeUInt32LE(MAGIC, at);
  bytes.writeUInt32LE(fields.payloadBytes, at + 4);
  bytes.writeUInt32LE(fields.count, at + 12);
  bytes.writeDoubleLE(fields.position, at + 16);
  bytes.writeDoubleLE(fields.previous, at + 24);
  bytes.writeUInt32LE(fields.producer, at + 36);
  bytes.writeUInt32LE(fields.ringAt, at + 40);
  bytes.writeUInt32LE(fields.taken, at + 44);
  bytes.writeUInt32LE(fields.definitions, at + 48);
  bytes.writeUInt32LE(0, at + 56);
  const end = at + frameLength(fields.payloadBytes);
  bytes.fill(0, at + FRAME_HEADER_BYTES + fields.payloadBytes, end - 4);
  bytes.writeUInt32LE(TRAILER, end - 4);
}

/** Completes the frame at `at` of `bytes`, which will lie at `offset` of a segment. Returns its length. */
export function sealFrame(bytes: Buffer, at: number, offset: number, salt: number, syncedTo: number): number {
  const payloadBytes = bytes.readUInt32LE(at + 4);
  const length = frameLength(payloadBytes);
  const payload = bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + payloadBytes);
  bytes.writeUInt32LE(crc32c(payload, salt), at + 8);
  bytes.writeUInt32LE(syncedTo, at + 32);
  // Neither the first nor the last part is ever blank, so the field itself does not count.
  bytes.writeUInt32LE(countBlank(bytes, at, length, offset), at + 52);
  bytes.writeUInt32LE(crc32c(bytes.subarray(at, at + CRC_AT), salt), at + CRC_AT);
  return length;
}

/** The fields as they stand there, whether they are right or not. `offset` is where it lies in the file. */
export function readFrameFields(bytes: Buffer, at: number): Frame {
  const payloadBytes = bytes.readUInt32LE(at + 4);
  return {
    at,
    length: frameLength(payloadBytes),
    payloadBytes,
    payloadCrc: bytes.readUInt32LE(at + 8),
    count: bytes.readUInt32LE(at + 12),
    position: bytes.readDoubleLE(at + 16),
    previous: bytes.readDoubleLE(at + 24),
    syncedTo: bytes.readUInt32LE(at + 32),
    producer: bytes.readUInt32LE(at + 36),
    ringAt: bytes.readUInt32LE(at + 40),
    taken: bytes.readUInt32LE(at + 44),
    definitions: bytes.readUInt32LE(at + 48),
    blankSectors: bytes.readUInt32LE(at + 52),
  };
}

/** The header of the frame at `at` of a segment; undefined if there is none that is whole. */
export function readFrameHeader(bytes: Buffer, at: number, salt: number): Frame | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== MAGIC) return undefined;
  if (crc32c(bytes.subarray(at, at + CRC_AT), salt) !== bytes.readUInt32LE(at + CRC_AT)) return undefined;
  return readFrameFields(bytes, at);
}

/** `bytes` is the segment from its begin. */
export function hasWholePayload(bytes: Buffer, frame: Frame, salt: number): boolean {
  const start = frame.at + FRAME_HEADER_BYTES;
  const end = start + frame.payloadBytes;
  return end <= bytes.length && crc32c(bytes.subarray(start, end), salt) === frame.payloadCrc;
}

/** Why a frame whose header is whole and whose payload is not was never written completely; or undefined. */
export function whyUnfinished(bytes: Buffer, frame: Frame): string | undefined {
  const end = frame.at + frame.length;
  if (end > bytes.length) return 'the file ends inside a frame';
  if (bytes.readUInt32LE(end - 4) === 0) return 'the end of a frame was not written';
  if (countBlank(bytes, frame.at, frame.length, frame.at) > frame.blankSectors) {
    return 'a sector of a frame was not written';
  }
  return undefined;
}

/** Parts of the frame at `at` that are all zeros, cut where the file at `offset` has its sectors. */
function countBlank(bytes: Buffer, at: number, length: number, offset: number): number {
  let blank = 0;
  const shift = at - offset;
  for (let from = offset; from < offset + length; ) {
    const to = Math.min(offset + length, (Math.floor(from / SECTOR) + 1) * SECTOR);
    if (isZero(bytes, from + shift, to + shift)) blank += 1;
    from = to;
  }
  return blank;
}

/** Are `bytes[from…to)` all zeros? */
export function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
