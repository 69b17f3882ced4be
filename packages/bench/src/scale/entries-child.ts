import { LRUCache } from 'lru-cache';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { accessOrder } from '../cache/access-order.js';
import { readKey } from '../cache/reader-rounds.js';
import { median } from '../contest.js';

/*
 * Fills one cache with so many entries and reads it in their popularity, in a process of its own, since the heap
 * of another cache would be in its way. Prints nanoseconds per get and per set, with the making of the key.
 */

const [which, entriesText, readsText] = process.argv.slice(2);
const entries = Number(entriesText);
const reads = Number(readsText);
const VALUE = Buffer.alloc(32, 'v');
const TTL_MS = 3_600_000;
const ROUNDS = 5;
/** Twice what key, value and entry need: segments fill unevenly, and nothing is to be evicted. */
const BYTES_PER_ENTRY = 256;
const LEAST_BYTES = 8 << 20;
/** A bucket of the index may fill up while there are bytes to spare: of a million entries it evicts a few. */
const MISSES_ALLOWED = 1e-5;

interface Cache {
  get(key: string): Buffer | undefined;
  set(key: string): unknown;
}

const cache = which === 'SharedLRU' ? shared() : heap();
const setNs = timed(entries, (i) => cache.set(readKey(i)));
const order = accessOrder(entries, 0.99, 1 << 20);
let misses = 0;
const read = (i: number) => {
  // A key is built for its call, as from a request: ten million kept ones would be a heap of their own.
  const key = readKey(order[i & (order.length - 1)] as number);
  if (cache.get(key)?.length === VALUE.length) return;
  misses += 1;
  cache.set(key);
};
timed(reads, read);
const getNs = median(Array.from({ length: ROUNDS }, () => timed(reads, read)));
if (misses > MISSES_ALLOWED * reads * (ROUNDS + 1)) throw new Error(`${misses} misses were measured`);
console.log(JSON.stringify({ getNs, setNs }));

function shared(): Cache {
  const cache = SharedLRU.create({ maxBytes: Math.max(LEAST_BYTES, entries * BYTES_PER_ENTRY) });
  return { get: (key) => cache.get(key), set: (key) => cache.set(key, VALUE, { ttl: TTL_MS }) };
}

function heap(): Cache {
  const cache = new LRUCache<string, Buffer>({ max: entries, ttl: TTL_MS });
  return { get: (key) => cache.get(key), set: (key) => cache.set(key, Buffer.from(VALUE)) };
}

function timed(count: number, call: (i: number) => unknown): number {
  const started = performance.now();
  for (let i = 0; i < count; i++) call(i);
  return ((performance.now() - started) * 1e6) / count;
}
