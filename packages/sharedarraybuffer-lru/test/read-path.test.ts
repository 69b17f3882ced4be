import { expect, test } from 'vitest';
import { CacheMemory } from '../dist/cache-memory.js';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';
import { KeyProbe } from '../dist/key-probe.js';
import { SEGMENT } from '../dist/layout.js';
import type { Segment } from '../dist/segment.js';

const KEY = 'some key';

interface Opened {
  cache: SharedLRU;
  segment: Segment;
  slot: number;
  /** First word of the record, and the number of its words. */
  record: number;
  count: number;
}

/** A cache of one segment and one entry, and where in memory that is. */
function open(value: Buffer): Opened {
  const cache = SharedLRU.create({ maxBytes: 16 << 10, clock: () => 0 });
  cache.set(KEY, value, { ttl: 1000 });
  const memory = CacheMemory.attach(cache.handle.buffer);
  const probe = new KeyProbe(memory.seed1, memory.seed2);
  probe.load(KEY);
  const segment = memory.segments[0] as Segment;
  const slot = segment.find(probe);
  const record = segment.recordWord(segment.place(slot));
  return { cache, segment, slot, record, count: 5 + 2 + Math.ceil(value.length / 4) };
}

/** What a reader sees when single words of a record are those of another. */
test.for([0, 1, 30, 1100])('a reader takes no record of %d bytes in which one bit is different', (length) => {
  const value = Buffer.alloc(length, 7);
  const { cache, segment, record, count } = open(value);
  for (let word = record; word < record + count; word += 1) {
    for (let bit = 0; bit < 32; bit += word > record + 12 ? 13 : 1) {
      const right = segment.words[word] as number;
      segment.words[word] = right ^ (1 << bit);
      expect(cache.get(KEY)).toBeUndefined();
      segment.words[word] = right;
    }
  }
  expect(cache.get(KEY)?.equals(value)).toBe(true);
  expect(cache.remainingTtl(KEY)).toBe(1000);
  expect(checkStructure(cache.handle)).toEqual([]);
});

test('a record is only taken at the place and in the epoch it was written for', () => {
  const { cache, segment, slot } = open(Buffer.from('value'));
  const placeWord = segment.tagWord(slot) + 7;
  const place = segment.words[placeWord] as number;
  for (let lap = segment.placeMask + 1; lap < 2 ** 31; lap *= 2) {
    segment.words[placeWord] = place ^ lap;
    expect(cache.get(KEY)).toBeUndefined();
    expect(cache.has(KEY)).toBe(false);
  }
  segment.words[placeWord] = place;
  Atomics.add(segment.words, SEGMENT.epoch, 1);
  expect(cache.get(KEY)).toBeUndefined();
  Atomics.sub(segment.words, SEGMENT.epoch, 1);
  expect(cache.get(KEY)?.toString()).toBe('value');
});

test('a write that finds the bookkeeping broken empties the segment and is still done', () => {
  for (const [word, wrong] of [
    [SEGMENT.smallRing + 2, 3],
    [SEGMENT.mainRing + 4, 1500],
  ] as const) {
    const cache = SharedLRU.create({ maxBytes: 16 << 10 });
    for (let i = 0; i < 500; i += 1) cache.set(`key-${i}`, Buffer.alloc(50, i));
    const segment = CacheMemory.attach(cache.handle.buffer).segments[0] as Segment;
    segment.words[word] = wrong;
    for (let i = 0; i < 500; i += 1) {
      expect(cache.set(`key-${i}`, Buffer.alloc(50, i))).toBe(true);
      expect(cache.get(`key-${i}`)?.[0]).toBe(i & 255);
    }
    const faults = checkStructure(cache.handle);
    if (cache.stats().repairs > 0) expect(faults.join()).toContain('emptied although no lock was taken away');
  }
});
