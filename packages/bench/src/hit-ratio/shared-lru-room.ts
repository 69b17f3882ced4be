import { SharedLRU } from 'sharedarraybuffer-lru';
import type { Load } from './load.js';

const VALUE_BYTES = 100;
const MIN_BYTES = 16 * 1024;

/** The options with which a SharedLRU of values of one size holds so many entries. */
export interface SharedLruRoom {
  maxBytes: number;
  valueBytes: number;
}

export interface SharedLruRun {
  hits: number;
  /** Entries in the cache, the most that were seen. */
  held: number;
}

/** Plays a load on a real SharedLRU: get, and on a miss set. */
export function playOnSharedLru({ accesses, keys }: Load, room: SharedLruRoom): SharedLruRun {
  const cache = SharedLRU.create({ maxBytes: room.maxBytes });
  const value = Buffer.alloc(room.valueBytes, 'v');
  const names = Array.from({ length: keys }, (_, key) => nameOf(key));
  const lookEvery = Math.ceil(accesses.length / 1_000);
  let hits = 0;
  let held = 0;
  for (let at = 0; at < accesses.length; at += 1) {
    const name = names[accesses[at] as number] as string;
    if (cache.get(name) !== undefined) hits += 1;
    else cache.set(name, value);
    if (at % lookEvery === 0) held = Math.max(held, cache.stats().entries);
  }
  return { hits, held };
}

/** Found by filling caches: the largest `maxBytes` with which no more than so many entries are held. */
export function sharedLruRoom(entries: number): SharedLruRoom {
  let valueBytes = VALUE_BYTES;
  while (fill({ maxBytes: MIN_BYTES, valueBytes }, entries) > entries) valueBytes *= 2;
  let low = MIN_BYTES;
  let high = MIN_BYTES + entries * 4 * valueBytes;
  while (high - low > Math.max(64, entries)) {
    const middle = Math.floor((low + high) / 2);
    if (fill({ maxBytes: middle, valueBytes }, entries) > entries) high = middle;
    else low = middle;
  }
  return { maxBytes: low, valueBytes };
}

/** The most entries that such a cache is seen to hold, with more keys than fit, half of them read again. */
function fill(room: SharedLruRoom, entries: number): number {
  const keys = 4 * entries;
  const accesses = new Uint32Array(2 * keys);
  for (let at = 0; at < accesses.length; at += 1) accesses[at] = at >> (1 + (at & 1));
  return playOnSharedLru({ name: 'fill', accesses, keys }, room).held;
}

/** All of the same length, as the entries must be. */
function nameOf(key: number): string {
  return `feed_${String(key).padStart(7, '0')}`;
}
