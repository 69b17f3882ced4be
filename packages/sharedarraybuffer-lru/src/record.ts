import { mix } from './checksum.js';

/*
 * A record in a segment's log, in words of 4 bytes; it begins on a unit of 8 bytes and never changes
 * once its place has been published in the index:
 *
 *   0  meta         slot in the index << 9 | bytes of the key - 1
 *   1  value bytes  or, negative, the units to skip up to the end of the ring (a filler has no more words)
 *   2  seal         of the hash of the key, words 0, 1, 3, 4, the value, the place and the epoch
 *   3  expires at   float64: milliseconds since the epoch, or Infinity; low word first
 *   5  key          UTF-8, filled up with zeros to a whole word
 *      value        filled up with zeros to a whole word
 *
 * Overhead: 20 bytes and at most 3 + 3 + 4 of filling.
 */
export const META = 0;
export const VALUE_BYTES = 1;
export const SEAL = 2;
export const EXPIRES = 3;
export const HEADER_WORDS = 5;

export const UNIT_BYTES = 8;
export const MAX_KEY_BYTES = 512;

export function wordsOf(bytes: number): number {
  return (bytes + 3) >>> 2;
}

export function recordUnits(keyBytes: number, valueBytes: number): number {
  return (HEADER_WORDS + wordsOf(keyBytes) + wordsOf(valueBytes) + 1) >>> 1;
}

export function metaOf(slot: number, keyBytes: number): number {
  return (slot << 9) | (keyBytes - 1);
}

export function slotOf(meta: number): number {
  return meta >>> 9;
}

export function keyBytesOf(meta: number): number {
  return (meta & 511) + 1;
}

/** The part of the seal that stays when a record is moved. */
export function sealOfContent(
  h1: number,
  h2: number,
  meta: number,
  valueBytes: number,
  valueSum: number,
  expiresLow: number,
  expiresHigh: number,
): number {
  let a = Math.imul(h1 ^ meta, 0x9e3779b1);
  let b = Math.imul(h2 ^ valueBytes, 0x85ebca77);
  a = Math.imul(a ^ (a >>> 15) ^ valueSum, 0xc2b2ae3d);
  b = Math.imul(b ^ (b >>> 13) ^ expiresLow, 0x27d4eb2f);
  a = Math.imul(a ^ (a >>> 15) ^ expiresHigh, 0x165667b1);
  return mix(a ^ ((b << 11) | (b >>> 21)));
}

/** The part of the seal that ties a record to its place; the whole seal is the exclusive-or of both. */
export function sealOfPlace(place: number, epoch: number): number {
  return mix(place ^ Math.imul(epoch, 0x9e3779b1));
}

/** The two words of a float64, and back. A record's is at no multiple of eight bytes. */
const TIME = new Float64Array(1);
const TIME_WORDS = new Int32Array(TIME.buffer);

export function timeOf(low: number, high: number): number {
  TIME_WORDS[0] = low;
  TIME_WORDS[1] = high;
  return TIME[0] as number;
}

/** Writes the two words of a time at `at`. */
export function writeTime(words: Int32Array, at: number, time: number): void {
  TIME[0] = time;
  words[at] = TIME_WORDS[0] as number;
  words[at + 1] = TIME_WORDS[1] as number;
}
