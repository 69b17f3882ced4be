import { SharedLRU } from 'sharedarraybuffer-lru';
import type { Load } from './load.js';

export const VALUE_BYTES = 100;
const VALUE = Buffer.alloc(VALUE_BYTES, 'v');
const MIN_BYTES = 16 * 1024;

export interface SharedLruRun {
  hits: number;
  /** Entries in the cache, on average over the looks at it in the second half of the run. */
  held: number;
}

/** Plays a load on a real SharedLRU of `maxBytes`: get, and on a miss set. */
export function runSharedLru(load: Load, maxBytes: number): SharedLruRun {
  const cache = SharedLRU.create({ maxBytes });
  const names = Array.from({ length: load.keys }, (_, key) => nameOf(key));
  const { accesses } = load;
  const lookEvery = Math.ceil(accesses.length / 64);
  let hits = 0;
  let held = 0;
  let looks = 0;
  for (let at = 0; at < accesses.length; at += 1) {
    const name = names[accesses[at] as number] as string;
    if (cache.get(name) !== undefined) hits += 1;
    else cache.set(name, VALUE);
    if (at % lookEvery !== 0 || at < accesses.length / 2) continue;
    held += cache.stats().entries;
    looks += 1;
  }
  return { hits, held: held / Math.max(1, looks) };
}

/** The `maxBytes` with which a cache that is filled to the brim holds so many entries, and not one more. */
export function maxBytesFor(room: number): number {
  let low = MIN_BYTES;
  let high = MIN_BYTES + room * 512;
  while (high - low > Math.max(64, room)) {
    const middle = Math.floor((low + high) / 2);
    if (fill(middle, room) > room) high = middle;
    else low = middle;
  }
  return low;
}

function fill(maxBytes: number, room: number): number {
  const cache = SharedLRU.create({ maxBytes });
  for (let key = 0; key < 3 * room; key += 1) cache.set(nameOf(key), VALUE);
  return cache.stats().entries;
}

/** All of the same length, as the entries must be. */
function nameOf(key: number): string {
  return `feed_${String(key).padStart(7, '0')}`;
}
