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
 * By the values' texts, so that operations on one row meet in one shard whether it is called `1` or
 * `'1'`. Undefined when there are other values than texts, numbers and booleans: those have no one text.
 */
export function hashValues(values: readonly unknown[], seed: number): number | undefined {
  let hash = seed;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value === 'string') hash = hashText(value, hash);
    else if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
      hash = hashText(String(value), hash);
    } else return undefined;
    hash = Math.imul(hash ^ VALUE_END, PRIME);
  }
  return hash;
}

export function shardOf(hash: number, shards: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 13)) >>> 0) % shards;
}
