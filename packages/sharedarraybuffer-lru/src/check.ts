import { CacheMemory } from './cache-memory.js';
import { checksum } from './checksum.js';
import { KeyProbe } from './key-probe.js';
import {
  BUCKET_BYTES,
  BUCKET_SLOTS,
  GHOST_BUCKET_BYTES,
  type Layout,
  SEGMENT,
  SEGMENT_HEADER_BYTES,
} from './layout.js';
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
  checkLayout(memory.layout, problems);
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
    checkFigures(segment, report);
    checkIndex(segment, key, number, memory.layout, live, report);
  }
  return problems;
}

type Report = (problem: string) => void;

/** The parts follow each other without overlapping, and what is masked has a power of two. */
function checkLayout(layout: Layout, problems: string[]): void {
  const { totalBytes, maxBytes, cells, segmentUnits, smallStart, mainStart } = layout;
  if (totalBytes > maxBytes) problems.push(`${totalBytes} bytes instead of at most ${maxBytes}`);
  for (const [name, count] of Object.entries({ cells, segments: layout.segments })) {
    if (!Number.isInteger(Math.log2(count))) problems.push(`${name}: ${count} is no power of two`);
  }
  const index = SEGMENT_HEADER_BYTES + layout.buckets * BUCKET_BYTES;
  const inOrder = [
    0,
    index,
    index + cells * 4,
    layout.ghostsAt,
    layout.ghostsAt + layout.ghostBuckets * GHOST_BUCKET_BYTES,
    layout.marksAt,
    layout.marksAt + layout.buckets * 2,
    smallStart * UNIT_BYTES,
    mainStart * UNIT_BYTES,
    segmentUnits * UNIT_BYTES,
  ];
  if (inOrder.some((at, i) => at < (inOrder[i - 1] ?? 0))) {
    problems.push(`the parts of a segment overlap: they begin at ${inOrder.join(', ')}`);
  }
}

/** What the header counts, against what it counts beside it. */
function checkFigures(segment: Segment, report: Report): void {
  const { words, floats, small, main } = segment;
  const entries = words[SEGMENT.entries] as number;
  if (entries < 0 || entries > segment.buckets * BUCKET_SLOTS) report(`${entries} entries`);
  if ((small.live + main.live) * UNIT_BYTES > segment.bytes.length) report('too many live bytes');
  if (main.used > 0 && main.free < segment.slackUnits) {
    report(`main ring: ${main.free} units free, too few to move a record`);
  }
  // A place comes back after as many laps as fit above it: readers must never see fewer than there were.
  const laps = (small.headLap + main.headLap) | 0;
  const counted = words[SEGMENT.laps] as number;
  if (((counted - laps) | 0) < 0) report(`${laps} laps begun, counted ${counted}`);

  const [sets, evictions, expirations, refused] = [
    SEGMENT.sets,
    SEGMENT.evictions,
    SEGMENT.expirations,
    SEGMENT.refused,
  ].map((counter) => floats[counter / 2] as number) as [number, number, number, number];
  for (const count of [sets, evictions, expirations, refused]) {
    if (!Number.isInteger(count) || count < 0) report(`counted ${count}`);
  }
  // An owner that had lost its lock may have written an older count over a newer one.
  if (words[SEGMENT.takeovers] === 0 && entries + evictions + expirations > sets) {
    report(`${entries} entries, ${evictions} evictions and ${expirations} expirations of ${sets} sets`);
  }
}

/** Walks from the tail to the head; adds the slots of the live records to `live`. */
function checkRing(segment: Segment, ring: Ring, name: string, live: Set<number>, report: Report): void {
  const { start, end, size, head, tail, used } = ring;
  if (tail < start || tail >= end || head < start || head > end || used < 0 || used > size) {
    report(`${name} ring: from ${tail} to ${head}, ${used} units used, in ${start} to ${end}`);
    return;
  }
  if (used === 0 && (tail !== start || head !== start)) report(`${name} ring: empty, but not at its start`);
  let at = tail;
  let left = used;
  let liveUnits = 0;
  const lapMask = ~segment.placeMask;
  let lap = ring.tailPlace & lapMask;
  while (left > 0) {
    if (at === end) {
      at = start;
      lap = (lap + segment.placeMask + 1) & lapMask;
    }
    const record = at * 2;
    const valueBytes = segment.words[record + VALUE_BYTES] as number;
    const units = valueBytes < 0 ? -valueBytes : segment.unitsAt(record);
    if (units > left || at + units > end) {
      report(`${name} ring: a record of ${units} units at ${at}, of which ${left} are left`);
      return;
    }
    if (units < 1 || (valueBytes < 0 && at + units !== end)) {
      report(`${name} ring: a filler of ${units} units at ${at}, the ring ends at ${end}`);
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
  if (at !== head) report(`${name} ring: ends at ${at}, its head is ${head}`);
  const headLap = Math.imul(ring.headLap, segment.placeMask + 1);
  if (lap !== headLap) report(`${name} ring: ends in lap ${lap}, its head is in ${headLap}`);
  if (liveUnits !== ring.live) report(`${name} ring: ${liveUnits} live units, counted ${ring.live}`);
}

function checkIndex(
  segment: Segment,
  key: KeyProbe,
  number: number,
  layout: Layout,
  live: Set<number>,
  report: Report,
): void {
  const { words, bytes } = segment;
  const epoch = words[SEGMENT.epoch] as number;
  const seen = new Set<string>();
  for (let slot = 0; slot < segment.buckets * 8; slot += 1) {
    if ((slot & 7) >= BUCKET_SLOTS) continue;
    if ((bytes[segment.frequencyByte(slot)] as number) > MAX_FREQUENCY) report(`slot ${slot}: frequency`);
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
    if (words[segment.tagWord(slot)] !== key.h1) report(`slot ${slot}: wrong tag`);
    if ((key.h1 & (layout.segments - 1)) !== number) report(`slot ${slot}: a key of another segment`);
    const bucket = segment.tagWord(slot) - (slot & 7);
    if (bucket !== segment.bucket1(key.h2) && bucket !== segment.bucket2(key.h1, key.h2)) {
      report(`slot ${slot}: in a bucket that is not the key's`);
    }
    if (valueBytes > layout.maxValueBytes) report(`slot ${slot}: a value of ${valueBytes} bytes`);
    if (Number.isNaN(segment.expiresAt(record))) report(`slot ${slot}: no time at which it expires`);
    // The way a writer looks: it also compares what fills the key up to a whole word.
    if (segment.find(key) !== slot) report(`slot ${slot}: its key is found in ${segment.find(key)}`);
    const text = Buffer.from(key.bytes.slice(0, key.byteLength)).toString('hex');
    if (seen.has(text)) report(`slot ${slot}: the key ${text} is there twice`);
    seen.add(text);
  }
  if (seen.size !== words[SEGMENT.entries]) report(`${seen.size} entries, counted ${words[SEGMENT.entries]}`);
}
