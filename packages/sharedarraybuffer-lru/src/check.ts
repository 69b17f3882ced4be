import { CacheMemory } from './cache-memory.js';
import { checksum } from './checksum.js';
import { KeyProbe } from './key-probe.js';
import { BUCKET_SLOTS, SEGMENT } from './layout.js';
import {
  EXPIRES,
  HEADER_WORDS,
  keyBytesOf,
  META,
  SEAL,
  sealOfContent,
  sealOfPlace,
  slotOf,
  UNIT_BYTES,
  VALUE_BYTES,
  wordsOf,
} from './record.js';
import type { Ring } from './ring.js';
import { MAX_FREQUENCY, type Segment } from './segment.js';
import type { SharedCacheHandle } from './shared-cache.js';

/**
 * Looks at every index, log and counter of a cache that nobody is writing to, and says what contradicts
 * what; an empty list if nothing does. For tests and for the search of faults.
 */
export function checkStructure(handle: SharedCacheHandle): string[] {
  const memory = CacheMemory.attach(handle.buffer);
  const key = new KeyProbe(memory.seed1, memory.seed2);
  const problems: string[] = [];
  const { totalBytes, maxBytes } = memory.layout;
  if (totalBytes > maxBytes) problems.push(`${totalBytes} bytes instead of at most ${maxBytes}`);
  for (const [number, segment] of memory.segments.entries()) {
    const report = (problem: string): void => {
      problems.push(`segment ${number}: ${problem}`);
    };
    if (segment.words[SEGMENT.lock] !== 0) report(`locked: ${segment.words[SEGMENT.lock]}`);
    if (((segment.words[SEGMENT.changes] as number) & 1) === 1) report('a writer did not come to its end');
    if (segment.words[SEGMENT.repairs] !== 0 && segment.words[SEGMENT.takeovers] === 0) {
      report('emptied although no lock was taken away: its bookkeeping, or a write, failed');
    }
    const live = new Set<number>();
    checkRing(segment, segment.small, 'small', live, report);
    checkRing(segment, segment.main, 'main', live, report);
    checkIndex(segment, key, number, memory.segments.length - 1, live, report);
  }
  return problems;
}

type Report = (problem: string) => void;

/** Walks from the tail to the head; adds the slots of the live records to `live`. */
function checkRing(segment: Segment, ring: Ring, name: string, live: Set<number>, report: Report): void {
  let at = ring.tail;
  let left = ring.used;
  let liveUnits = 0;
  const lapMask = ~segment.placeMask;
  let lap = ring.tailPlace & lapMask;
  while (left > 0) {
    if (at === ring.end) {
      at = ring.start;
      lap = (lap + segment.placeMask + 1) & lapMask;
    }
    const record = at * 2;
    const valueBytes = segment.words[record + VALUE_BYTES] as number;
    const units = valueBytes < 0 ? -valueBytes : segment.unitsAt(record);
    if (units > left || at + units > ring.end) {
      report(`${name} ring: a record of ${units} units at ${at}, of which ${left} are left`);
      return;
    }
    const slot = slotOf(segment.words[record + META] as number);
    if (valueBytes >= 0 && slot >>> 3 < segment.buckets && segment.place(slot) === (at | lap)) {
      if (live.has(slot)) report(`${name} ring: two live records of slot ${slot}`);
      live.add(slot);
      liveUnits += units;
    }
    at += units;
    left -= units;
  }
  if (at !== ring.head) report(`${name} ring: ends at ${at}, its head is ${ring.head}`);
  if (liveUnits !== ring.live) report(`${name} ring: ${liveUnits} live units, counted ${ring.live}`);
  if (ring.used > ring.size) report(`${name} ring: ${ring.used} units used of ${ring.size}`);
}

function checkIndex(
  segment: Segment,
  key: KeyProbe,
  number: number,
  segmentMask: number,
  live: Set<number>,
  report: Report,
): void {
  const { words, bytes } = segment;
  const epoch = words[SEGMENT.epoch] as number;
  const seen = new Set<string>();
  for (let slot = 0; slot < segment.buckets * 8; slot += 1) {
    if ((slot & 7) >= BUCKET_SLOTS) continue;
    const place = segment.place(slot);
    if (place === 0) continue;
    if (!live.has(slot)) {
      report(`slot ${slot} points at no record of a ring`);
      continue;
    }
    const record = segment.recordWord(place);
    const meta = words[record + META] as number;
    const valueBytes = words[record + VALUE_BYTES] as number;
    key.loadBytes(bytes, (record + HEADER_WORDS) * 4, keyBytesOf(meta));
    const valueAt = record + HEADER_WORDS + wordsOf(key.byteLength);
    const content = sealOfContent(
      key.h1,
      key.h2,
      meta,
      valueBytes,
      checksum(words, valueAt, wordsOf(valueBytes)),
      words[record + EXPIRES] as number,
      words[record + EXPIRES + 1] as number,
    );
    if ((content ^ sealOfPlace(place, epoch)) !== words[record + SEAL]) report(`slot ${slot}: broken seal`);
    if (slotOf(meta) !== slot) report(`slot ${slot}: its record says ${slotOf(meta)}`);
    if (words[segment.tagWord(slot)] !== key.h1) report(`slot ${slot}: wrong tag`);
    if ((key.h1 & segmentMask) !== number) report(`slot ${slot}: a key of another segment`);
    const bucket = segment.tagWord(slot) - (slot & 7);
    if (bucket !== segment.bucket1(key.h2) && bucket !== segment.bucket2(key.h1, key.h2)) {
      report(`slot ${slot}: in a bucket that is not the key's`);
    }
    if ((bytes[segment.frequencyByte(slot)] as number) > MAX_FREQUENCY) report(`slot ${slot}: frequency`);
    const text = Buffer.from(key.bytes.slice(0, key.byteLength)).toString('hex');
    if (seen.has(text)) report(`slot ${slot}: the key ${text} is there twice`);
    seen.add(text);
  }
  if (seen.size !== words[SEGMENT.entries]) report(`${seen.size} entries, counted ${words[SEGMENT.entries]}`);
  if ((segment.small.live + segment.main.live) * UNIT_BYTES > segment.bytes.length)
    report('too many live bytes');
}
