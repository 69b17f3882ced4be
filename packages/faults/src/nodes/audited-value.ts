/*
 *  byte 0       4        8                 16              20
 *  ┌──────────┬────────┬─────────────────┬───────────────┬──────────────────────────────┐
 *  │ checksum │ key    │ write, float64  │ length, bytes │ words derived from the write │
 *  └──────────┴────────┴─────────────────┴───────────────┴──────────────────────────────┘
 */
const HEADER_BYTES = 20;
/** Words of a value, at most, beside the header. */
const MAX_WORDS = 256;
/** Most are small. */
const SMALL_WORDS = 24;

/** A value that says which key and write it belongs to, and shows when a part of it does not. */
export function encodeValue(key: number, write: number): Buffer {
  const mixed = mix(key, write);
  const words = mixed % 16 === 0 ? (mixed >>> 4) % MAX_WORDS : (mixed >>> 4) % SMALL_WORDS;
  const value = Buffer.alloc(HEADER_BYTES + 4 * words);
  value.writeUInt32LE(key, 4);
  value.writeDoubleLE(write, 8);
  value.writeUInt32LE(value.length, 16);
  for (let at = HEADER_BYTES, word = mixed; at < value.length; at += 4) {
    word = Math.imul(word ^ at, 0x01000193) >>> 0;
    value.writeUInt32LE(word, at);
  }
  value.writeUInt32LE(checksum(value), 0);
  return value;
}

/** The write that the value is of; undefined: torn, or another key's. */
export function writeOf(key: number, value: Buffer): number | undefined {
  if (value.length < HEADER_BYTES || value.length % 4 !== 0) return undefined;
  if (value.readUInt32LE(4) !== key || value.readUInt32LE(16) !== value.length) return undefined;
  return value.readUInt32LE(0) === checksum(value) ? value.readDoubleLE(8) : undefined;
}

/** FNV-1a over words. */
function checksum(value: Buffer): number {
  let sum = 0x811c9dc5;
  for (let at = 4; at < value.length; at += 4) sum = Math.imul(sum ^ value.readInt32LE(at), 0x01000193);
  return sum >>> 0;
}

function mix(key: number, write: number): number {
  const low = (write % 2 ** 32) | 0;
  return Math.imul(Math.imul(low ^ 0x9e3779b9, 0x85ebca6b) ^ (key + 1), 0xc2b2ae35) >>> 0;
}
