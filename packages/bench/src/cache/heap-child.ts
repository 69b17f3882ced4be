import { LRUCache } from 'lru-cache';
import { SharedLRU } from 'sharedarraybuffer-lru';

/** Fills a cache and prints what that does to the V8 heap. Arguments: which cache, entries. */
const [which, entriesText] = process.argv.slice(2);
const entries = Number(entriesText);
const VALUE_BYTES = 200;

let size = () => 0;
const gc = globalThis.gc as () => void;
gc();
const before = process.memoryUsage().heapUsed;
const set = cache(which);
for (let i = 0; set !== undefined && i < entries; i++)
  set(`user:profile:${1_000_000 + i}`, Buffer.alloc(VALUE_BYTES, i));
gc();
gc();
const heapBytes = process.memoryUsage().heapUsed - before;
const pauses: number[] = [];
for (let i = 0; i < 15; i++) {
  const start = performance.now();
  gc();
  pauses.push(performance.now() - start);
}
pauses.sort((a, b) => a - b);
console.log(JSON.stringify({ heapBytes, gcMs: pauses[7], entries: size() }));

function cache(name: string | undefined): ((key: string, value: Buffer) => void) | undefined {
  if (name === 'lru-cache') {
    const lru = new LRUCache<string, Buffer>({ max: entries, ttl: 3_600_000 });
    size = () => lru.size;
    return (key, value) => lru.set(key, value);
  }
  if (name === 'SharedLRU') {
    const shared = SharedLRU.create({ maxBytes: 400 << 20 });
    size = () => shared.stats().entries;
    return (key, value) => shared.set(key, value, { ttl: 3_600_000 });
  }
  return undefined;
}
