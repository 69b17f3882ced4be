import { expect, test } from 'vitest';
import { CacheMemory } from '../dist/cache-memory.js';
import { checkStructure } from '../dist/check.js';
import { GHOST } from '../dist/ghosts.js';
import { SharedLRU } from '../dist/index.js';
import { SEGMENT } from '../dist/layout.js';
import { EXPIRES } from '../dist/record.js';
import type { Segment } from '../dist/segment.js';

/** The first slot in use and its record. */
interface Opened {
  segment: Segment;
  slot: number;
  record: number;
}

function add(segment: Segment, word: number, amount: number): void {
  segment.words[word] = (segment.words[word] as number) + amount;
}

function otherSlot({ segment, slot }: Opened): number {
  for (let other = slot + 1; ; other += 1) if ((other & 7) < 7 && segment.place(other) !== 0) return other;
}

const FAULTS: [string, string, (opened: Opened) => void][] = [
  ['a lock that is held', 'locked', ({ segment }) => add(segment, SEGMENT.lock, 4)],
  ['a repair without a takeover', 'emptied although', ({ segment }) => add(segment, SEGMENT.repairs, 1)],
  ['a count of entries', 'entries, counted', ({ segment }) => add(segment, SEGMENT.entries, 1)],
  ['a head', 'ring', ({ segment }) => add(segment, SEGMENT.mainRing, 2)],
  ['the lap of a head', 'lap', ({ segment }) => add(segment, SEGMENT.mainRing + 1, 1)],
  ['a tail', 'ring', ({ segment }) => add(segment, SEGMENT.smallRing + 2, 4)],
  ['the lap of a tail', 'points at no record', ({ segment }) => add(segment, SEGMENT.smallRing + 3, 1)],
  ['a figure of bytes in use', 'ring', ({ segment }) => add(segment, SEGMENT.mainRing + 4, 4)],
  ['a figure of live bytes', 'live units, counted', ({ segment }) => add(segment, SEGMENT.smallRing + 5, -4)],
  ['a count of laps', 'laps begun', ({ segment }) => add(segment, SEGMENT.laps, -1)],
  ['a count of sets', 'of 3 sets', ({ segment }) => segment.floats.set([3], SEGMENT.sets / 2)],
  ['a count that is none', 'counted -1', ({ segment }) => segment.floats.set([-1], SEGMENT.refused / 2)],
  ['a place', 'points at no record', ({ segment, slot }) => add(segment, segment.tagWord(slot) + 7, 1)],
  ['a tag', 'wrong tag', ({ segment, slot }) => add(segment, segment.tagWord(slot), 1)],
  ['a frequency', 'frequency', ({ segment, slot }) => segment.bytes.set([4], segment.frequencyByte(slot))],
  ['a key', 'broken seal', ({ segment, record }) => add(segment, record + 6, 1)],
  ['a value', 'broken seal', ({ segment, record }) => add(segment, record + 12, 1)],
  ['a time', 'no time', ({ segment, record }) => segment.floats.set([Number.NaN], (record + EXPIRES) / 2)],
  [
    'two slots with one record',
    'points at no record',
    (opened) => {
      const { segment, slot } = opened;
      const other = otherSlot(opened);
      segment.words[segment.tagWord(other) + 7] = segment.place(slot);
    },
  ],
  [
    'a slot that was freed and not counted',
    'live units, counted',
    ({ segment, slot }) => {
      segment.words[segment.tagWord(slot) + 7] = 0;
    },
  ],
];

test.for(FAULTS)('the structural check finds %s that is wrong', ([, report, damage]) => {
  const cache = SharedLRU.create({ maxBytes: 32 << 10 });
  for (let i = 0; i < 400; i += 1) {
    cache.set(`key-${i % 250}`, Buffer.alloc(100, i));
    cache.get(`key-${i % 250}`);
  }
  expect(checkStructure(cache.handle)).toEqual([]);
  const segment = CacheMemory.attach(cache.handle.buffer).segments[0] as Segment;
  let slot = 0;
  while (segment.place(slot) === 0 || (slot & 7) === 7) slot += 1;
  damage({ segment, slot, record: segment.recordWord(segment.place(slot)) });
  const found = checkStructure(cache.handle);
  expect(found.join('\n')).toContain(report);
});

/** Hashes at the edges, and many more. */
function* hashes(): Iterable<number> {
  yield* [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 0x55555555, -0x55555556];
  for (let i = 0; i < 20_000; i += 1) yield Math.imul(i, 0x9e3779b1);
}

test('what is remembered of evicted keys changes nothing beside the ghosts and their clock', () => {
  const memory = CacheMemory.attach(SharedLRU.create({ maxBytes: 64 << 10 }).handle.buffer);
  const segment = memory.segments[0] as Segment;
  const before = segment.words.slice();
  for (const hash of hashes()) segment.ghosts.add(hash, GHOST.small, 100);
  const changed = [...segment.words.keys()].filter((at) => segment.words[at] !== before[at]);
  const { ghostsAt, ghostBuckets } = memory.layout;
  const inside = changed.filter((at) => at * 4 >= ghostsAt && at * 4 < ghostsAt + ghostBuckets * 8);
  expect(inside.length).toBeGreaterThan(ghostBuckets);
  const clock: number[] = [SEGMENT.ghostTicks, SEGMENT.ghostQuarter, SEGMENT.ghostCursor];
  expect(changed.filter((at) => !inside.includes(at) && !clock.includes(at))).toEqual([]);
});

test('a generation that is raised changes one cell, and nothing beside the cells', () => {
  const cache = SharedLRU.create({ maxBytes: 64 << 10 });
  const segment = CacheMemory.attach(cache.handle.buffer).segments[0] as Segment;
  const before = segment.words.slice();
  let raised = 0;
  for (const h2 of hashes()) {
    const token = segment.token(h2);
    segment.raiseGeneration(h2);
    expect(segment.token(h2)).toBe(token + 1);
    raised += 1;
  }
  const changed = [...segment.words.keys()].filter((at) => segment.words[at] !== before[at]);
  const first = changed[0] as number;
  const last = changed.at(-1) as number;
  expect(last * 4).toBeLessThan(segment.small.start * 8);
  // The cells follow the index, which ends with a line that has its slots, and fill all up to the ghosts.
  expect(first).toBe(segment.tagWord((segment.buckets - 1) * 8) + 16);
  expect(changed.length).toBe(last - first + 1);
  expect(changed.reduce((sum, at) => sum + (segment.words[at] as number), 0)).toBe(raised);
});
