// Nanoseconds per call, beside Map and a naive cache in shared memory. Build first, then:
//   node packages/sharedarraybuffer-lru/bench/get-set.mjs [seconds per case]
import { SharedLRU } from '../dist/index.js';

const seconds = Number(process.argv[2] ?? 1);
const COUNT = 100_000;
const VALUE = Buffer.alloc(100, 'v');
const keys = Array.from({ length: COUNT }, (_, i) => `user:profile:${10_000_000 + i}`);

/** The order of the accesses: indexes of keys, Zipf(0.99) or uniform. */
function order(zipf) {
  const length = 1 << 20;
  const indexes = new Int32Array(length);
  let state = 42;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
  const sums = new Float64Array(COUNT);
  let sum = 0;
  for (let i = 0; i < COUNT; i += 1) {
    sum += zipf ? 1 / (i + 1) ** 0.99 : 1;
    sums[i] = sum;
  }
  for (let i = 0; i < length; i += 1) {
    const target = random() * sum;
    let low = 0;
    let high = COUNT - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < target) low = middle + 1;
      else high = middle;
    }
    // Popularity must not follow the order of insertion.
    indexes[i] = (low * 7919) % COUNT;
  }
  return indexes;
}

/** A hash table of one slot per key in shared memory, with neither locks nor eviction nor checks. */
class Naive {
  #encoder = new TextEncoder();
  #slots = new Int32Array(new SharedArrayBuffer(4 << 18));
  #bytes = Buffer.from(new SharedArrayBuffer(200 * COUNT));
  #head = 8;
  #find(bytes) {
    let hash = 0;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    for (let i = (hash >>> 0) & 0x3ffff; ; i = (i + 1) & 0x3ffff) {
      const at = Atomics.load(this.#slots, i);
      if (at === 0 || this.#bytes.subarray(at + 8, at + 8 + bytes.length).equals(bytes)) return i;
    }
  }
  set(key, value) {
    const bytes = this.#encoder.encode(key);
    const slot = this.#find(bytes);
    this.#bytes.writeInt32LE(bytes.length, this.#head);
    this.#bytes.writeInt32LE(value.length, this.#head + 4);
    this.#bytes.set(bytes, this.#head + 8);
    this.#bytes.set(value, this.#head + 8 + bytes.length);
    Atomics.store(this.#slots, slot, this.#head);
    this.#head += 8 + bytes.length + value.length;
  }
  get(key) {
    const at = Atomics.load(this.#slots, this.#find(this.#encoder.encode(key)));
    if (at === 0) return undefined;
    const from = at + 8 + this.#bytes.readInt32LE(at);
    return Buffer.from(this.#bytes.subarray(from, from + this.#bytes.readInt32LE(at + 4)));
  }
}

let sink = 0;
function measure(name, call) {
  const indexes = call.indexes;
  const run = (n, from) => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < n; i += 1) sink += call.once(indexes[(from + i) & (indexes.length - 1)], i);
    return Number(process.hrtime.bigint() - start);
  };
  for (let i = 0; i < 4; i += 1) run(100_000, i * 100_000);
  let best = Number.POSITIVE_INFINITY;
  const until = Date.now() + seconds * 1000;
  for (let i = 0; Date.now() < until; i += 1) best = Math.min(best, run(200_000, i * 200_000) / 200_000);
  console.log(`${name.padEnd(64)} ${best.toFixed(0).padStart(6)} ns`);
}

const zipf = order(true);
const uniform = order(false);
const cache = SharedLRU.create({ maxBytes: 64 << 20 });
const withTtl = SharedLRU.create({ maxBytes: 64 << 20 });
const map = new Map();
const naive = new Naive();
for (const key of keys) {
  cache.set(key, VALUE);
  withTtl.set(key, VALUE, { ttl: 3_600_000 });
  map.set(key, VALUE);
  naive.set(key, VALUE);
}
const length = (value) => (value === undefined ? 0 : value.length);

for (const [name, indexes] of [
  ['Zipf 0.99', zipf],
  ['uniform', uniform],
]) {
  measure(`Map.get, ${name} (the same object, no copy)`, { indexes, once: (i) => length(map.get(keys[i])) });
  measure(`naive get, ${name}`, { indexes, once: (i) => length(naive.get(keys[i])) });
  measure(`SharedLRU.get, ${name}`, { indexes, once: (i) => length(cache.get(keys[i])) });
  measure(`SharedLRU.get, ${name}, with a TTL`, { indexes, once: (i) => length(withTtl.get(keys[i])) });
  measure(`SharedLRU.get, ${name}, key built for the call`, {
    indexes,
    once: (i) => length(cache.get(`user:profile:${10_000_000 + i}`)),
  });
}
measure('SharedLRU.get, 1,000 hot keys', {
  indexes: uniform.map((i) => i % 1000),
  once: (i) => length(cache.get(keys[i])),
});
measure('SharedLRU.has', { indexes: zipf, once: (i) => (cache.has(keys[i]) ? 1 : 0) });
measure('SharedLRU.get, absent', { indexes: zipf, once: (i) => length(cache.get(`absent:${i}`)) });
measure('SharedLRU.set, overwriting, Zipf 0.99', {
  indexes: zipf,
  once: (i) => (cache.set(keys[i], VALUE) ? 1 : 0),
});
const full = SharedLRU.create({ maxBytes: 8 << 20 });
measure('SharedLRU.set, uniform, room for half of the keys', {
  indexes: uniform,
  once: (i) => (full.set(keys[i], VALUE) ? 1 : 0),
});
for (const size of [0, 1024, 16_384, 131_072]) {
  const large = SharedLRU.create({ maxBytes: 64 << 20 });
  const value = Buffer.alloc(size, 'v');
  large.set('key', value);
  measure(`SharedLRU.get, ${size} bytes`, { indexes: zipf, once: () => length(large.get('key')) });
}
if (sink === 0) console.log('nothing was read');
