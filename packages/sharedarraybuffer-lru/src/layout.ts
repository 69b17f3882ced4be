import type { ResolvedOptions } from './options.js';
import { MAX_KEY_BYTES, recordUnits, UNIT_BYTES } from './record.js';

/*
 * The SharedArrayBuffer, all parts on lines of 64 bytes:
 *
 *   header     256 bytes, see HEADER
 *   segment 0  header        256 bytes, see SEGMENT
 *              index         buckets × 64 bytes, see Segment
 *              generations   cells × 4 bytes
 *              ghosts        8 bytes for four of them, see Ghosts
 *              marks         buckets × 2 bytes, see Segment
 *              small ring    a tenth of what is left: entries on probation
 *              main ring     the rest
 *   segment 1  …
 */
export const HEADER_BYTES = 256;
export const SEGMENT_HEADER_BYTES = 256;
export const BUCKET_BYTES = 64;
export const BUCKET_SLOTS = 7;
export const GHOST_BUCKET_BYTES = 8;
export const GHOST_BUCKET_CELLS = 4;

export const MAGIC = 0x5a4c5255;
export const VERSION = 2;

/** Words of the header. From `hits` on they change while the cache is in use, one line for each. */
export const HEADER = Object.freeze({
  magic: 0,
  version: 1,
  segments: 2,
  segmentUnits: 3,
  buckets: 4,
  cells: 5,
  ghostBuckets: 6,
  maxValueBytes: 7,
  seed1: 8,
  seed2: 9,
  /** float64, in units of two words */
  maxBytes: 10,
  hits: 16,
  misses: 32,
});

/** Words of a segment's header. Readers touch none but those of the second line. */
export const SEGMENT = Object.freeze({
  lock: 0,
  epoch: 16,
  /** Laps begun by either ring; never less than how often a place may have come back. */
  laps: 17,
  /** Raised by one when a writer begins and when it ends: odd while one is at work. */
  changes: 18,
  /** Those of the repairs that followed from taking a lock away. */
  takeovers: 19,
  smallRing: 32,
  mainRing: 38,
  entries: 44,
  repairs: 45,
  /** float64 from here */
  sets: 48,
  evictions: 50,
  expirations: 52,
  refused: 54,
  /** See Eviction and Balance: two words each. */
  recency: 56,
  returns: 58,
  /** See Ghosts. */
  ghostTicks: 60,
  ghostQuarter: 61,
  ghostCursor: 62,
});

const MAX_SEGMENTS = 64;
const MIN_SEGMENT_BYTES = 256 * 1024;
/** 2^26 units: the place of a record keeps at least 6 bits for the lap, and a slot fits 23 bits. */
const MAX_SEGMENT_BYTES = 512 * 1024 ** 2;

/**
 * Smaller entries than this (key, value and header) fill the index before the log. Each byte less costs
 * larger entries a tenth of a byte more.
 */
const BYTES_PER_SLOT = 120;

export interface Layout {
  readonly totalBytes: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly segmentsAt: number;
  readonly buckets: number;
  /** Generation cells of a segment; a power of two. */
  readonly cells: number;
  /** Of a segment. */
  readonly ghostBuckets: number;
  /** Bytes from the segment's beginning. */
  readonly ghostsAt: number;
  readonly marksAt: number;
  /** Units from the segment's beginning. */
  readonly smallStart: number;
  readonly mainStart: number;
  readonly segmentUnits: number;
  /** Kept free in the main ring, so that a record is moved without touching the bytes it is read from. */
  readonly slackUnits: number;
  readonly maxValueBytes: number;
  readonly maxBytes: number;
}

type Measures = Pick<
  Layout,
  'segments' | 'segmentUnits' | 'buckets' | 'cells' | 'ghostBuckets' | 'maxValueBytes' | 'maxBytes'
>;

/** @throws RangeError if `maxValueBytes` does not fit a cache of `maxBytes`. */
export function planLayout(options: ResolvedOptions): Layout {
  const { maxBytes } = options;
  const forSegments = maxBytes - HEADER_BYTES;

  const record = (options.maxValueBytes ?? 0) + MAX_KEY_BYTES + 64;
  let segments = MAX_SEGMENTS;
  while (segments > 1 && forSegments / segments < Math.max(MIN_SEGMENT_BYTES, 6 * record)) segments /= 2;

  const segmentBytes = roundDown(Math.min(forSegments / segments, MAX_SEGMENT_BYTES), 64);
  const buckets = Math.max(2, Math.floor(segmentBytes / (BYTES_PER_SLOT * BUCKET_SLOTS)));
  const cells = Math.min(4096, Math.max(16, powerOfTwoBelow(buckets)));
  const wanted = Math.ceil((options.counters ?? Infinity) / segments / GHOST_BUCKET_CELLS);
  // Five ghosts for seven slots: nothing is remembered longer than entries stay, and not all slots are in use.
  const ghostBuckets = Math.min(wanted, Math.ceil(1.25 * buckets));
  const segmentUnits = segmentBytes / UNIT_BYTES;
  const measures = { segments, segmentUnits, buckets, cells, ghostBuckets, maxBytes };

  const mainUnits = layoutOf({ ...measures, maxValueBytes: 0 });
  const logUnits = mainUnits.segmentUnits - mainUnits.smallStart;
  const maxValueBytes = options.maxValueBytes ?? Math.floor(logUnits / 4) * UNIT_BYTES;
  const layout = layoutOf({ ...measures, maxValueBytes });
  if (recordUnits(MAX_KEY_BYTES, maxValueBytes) > largestRecordUnits(layout)) {
    const largest = (largestRecordUnits(layout) - recordUnits(MAX_KEY_BYTES, 0)) * UNIT_BYTES;
    throw new RangeError(
      `maxValueBytes must be at most ${largest} in a cache of ${maxBytes} bytes, it is ${maxValueBytes}`,
    );
  }
  return layout;
}

/** All of the layout from what the header states; every thread computes the same. */
export function layoutOf(measures: Measures): Layout {
  const { segments, segmentUnits, buckets, cells, ghostBuckets } = measures;
  const ghostsAt = SEGMENT_HEADER_BYTES + buckets * BUCKET_BYTES + cells * 4;
  const marksAt = ghostsAt + ghostBuckets * GHOST_BUCKET_BYTES;
  const smallStart = Math.ceil((marksAt + buckets * 2) / UNIT_BYTES);
  const mainStart = smallStart + Math.floor((segmentUnits - smallStart) / 10);
  const mainUnits = segmentUnits - mainStart;
  return {
    ...measures,
    segmentBytes: segmentUnits * UNIT_BYTES,
    segmentsAt: HEADER_BYTES,
    ghostsAt,
    marksAt,
    smallStart,
    mainStart,
    slackUnits: Math.max(mainUnits >> 7, Math.min(mainUnits >> 3, 64)),
    totalBytes: HEADER_BYTES + segments * segmentUnits * UNIT_BYTES,
  };
}

/** What the main ring takes when it is otherwise empty. */
export function largestRecordUnits(layout: Layout): number {
  return layout.segmentUnits - layout.mainStart - layout.slackUnits;
}

function powerOfTwoBelow(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}

function roundDown(value: number, to: number): number {
  return Math.floor(value / to) * to;
}
