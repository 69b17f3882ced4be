import { SharedLRU } from 'sharedarraybuffer-lru';
import { atMost } from '../bar.js';
import type { Bar, Figure } from '../result.js';
import { readKey } from './reader-rounds.js';

const TTL_MS = 3_600_000;
/** Promised for values up to 200 bytes. */
const MOST_BYTES = 48;

/** What is neither key nor value, of all the memory that the cache may use, per entry that it holds when it is full. */
export function measureOverheads(maxBytes: number): { figures: Figure[]; bars: Bar[] } {
  const figures: Figure[] = [];
  const bars: Bar[] = [];
  for (const valueBytes of [100, 200, 1_000]) {
    const shared = SharedLRU.create({ maxBytes });
    const value = Buffer.alloc(valueBytes, 'v');
    const count = Math.ceil((2 * maxBytes) / valueBytes);
    for (let i = 0; i < count; i++) shared.set(readKey(i), value, { ttl: TTL_MS });
    const overhead = maxBytes / shared.stats().entries - valueBytes - readKey(0).length;
    const id = `cache.overhead.${valueBytes}`;
    const name = `overhead per entry, ${valueBytes}-byte values`;
    figures.push({ id, name, value: overhead, unit: 'bytes' });
    if (valueBytes <= 200) bars.push(atMost(id, name, overhead, MOST_BYTES, 'bytes'));
  }
  return { figures, bars };
}
