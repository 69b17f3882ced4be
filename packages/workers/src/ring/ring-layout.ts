/**
 * One ring: a single-producer, single-consumer queue of bytes in a SharedArrayBuffer.
 *
 * ```
 * byte   0  head      bytes ever written, mod 2^32       the producer stores, the shard loads
 * byte   4  seen      the last refused operation that the producer has taken notice of
 * byte  64  tail      bytes ever released, mod 2^32      the shard stores, the producer loads
 * byte  68  taken     operations ever taken, mod 2^32    the shard stores, the producer loads
 * byte  72  applied   operations ever committed          the shard stores, the producer loads
 * byte  76  synced    operations up to which all that are logged are on disk
 * byte  80  refused   first and last operation that were taken but could not be logged, and the errno
 * byte  92  units     memory of all operations ever taken, in units of the board
 * byte  96  restarts  how often another thread has taken the place of the shard's: its owner stores
 * byte 128  records, a power of two of bytes, used in a circle
 * ```
 *
 * What the two sides write lies in different cache lines, so that neither slows the other down.
 *
 * A record is `i32 length` (of the whole record, unpadded) and its payload, padded to four bytes. A
 * record never wraps: when the space to the end is too short, `WRAP` stands there and the record
 * begins at byte 0. Counters run freely; differences of them taken `| 0` are exact, since a ring
 * holds less than 2^31 bytes.
 */
export const HEAD = 0;
export const REFUSAL_SEEN = 1;
export const TAIL = 16;
export const TAKEN = 17;
export const APPLIED = 18;
export const SYNCED = 19;
export const REFUSED_FROM = 20;
export const REFUSED_TO = 21;
export const REFUSED_ERRNO = 22;
export const TAKEN_UNITS = 23;
export const RESTARTS = 24;
export const DATA_WORDS_AT = 32;
export const DATA_BYTES_AT = DATA_WORDS_AT * 4;

/** In place of a record's length: go on at the ring's begin. */
export const WRAP = -1;

export const MIN_RING_BYTES = 1024;
export const MAX_RING_BYTES = 1 << 30;

/** Memory of a ring of `bytes` (a power of two from 1 KiB to 1 GiB). */
export function createRing(bytes: number): SharedArrayBuffer {
  if (bytes < MIN_RING_BYTES || bytes > MAX_RING_BYTES || (bytes & (bytes - 1)) !== 0) {
    throw new RangeError(
      `ring size ${bytes} is not a power of two from ${MIN_RING_BYTES} to ${MAX_RING_BYTES}`,
    );
  }
  return new SharedArrayBuffer(DATA_BYTES_AT + bytes);
}

/**
 * Longest record that a ring of `capacity` bytes takes in one piece. With a quarter, the bytes lost
 * before a wrap and the record together are at most half: into an empty ring it always fits.
 */
export function maxRecordBytes(capacity: number): number {
  return capacity >> 2;
}
