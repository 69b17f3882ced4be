import { Tag } from './tag.js';

/**
 * Which shard: FNV-1a with a mixing step at the end, since its low bits alone spread badly. Stable
 * within a process, which is all that is asked: nothing stored depends on it.
 */
const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;
/** No code unit of a text, so that ('a', 'bc') and ('ab', 'c') differ. */
const VALUE_END = 0x10000;

export function hashText(text: string, seed = OFFSET_BASIS): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash;
}

export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), PRIME);
  return hash;
}

/**
 * By the value's text, so that operations on one row meet in one shard whether it is called `1` or `'1'`.
 * Undefined for other values than texts, numbers and booleans: those have no one text. `bytes` from
 * `start` to `end` is the value as it was encoded: ASCII is hashed there, which is cheaper than in a string
 * and gives the same.
 */
export function hashValue(
  value: unknown,
  bytes: Uint8Array,
  start: number,
  end: number,
  seed: number,
): number | undefined {
  let hash: number;
  if (bytes[start] === Tag.ascii) hash = hashBytes(bytes, start + 2, end, seed);
  else if (typeof value === 'string') hash = hashText(value, seed);
  else if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    hash = hashText(String(value), seed);
  } else return undefined;
  return Math.imul(hash ^ VALUE_END, PRIME);
}

export function shardOf(hash: number, shards: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 13)) >>> 0) % shards;
}
