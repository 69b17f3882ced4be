import { GHOST_BUCKET_CELLS, type Layout, SEGMENT } from './layout.js';

/** From where a key was evicted. */
export const GHOST = Object.freeze({
  none: 0,
  /** Left the small ring without a hit. */
  small: 1,
  /** Left the main ring, and had been hit in its time. */
  proven: 2,
  /** Left the main ring, and had never been hit. */
  unproven: 3,
});

const FINGERPRINT_BITS = 11;
const FINGERPRINT_MASK = 2 ** FINGERPRINT_BITS - 1;
const KIND_SHIFT = 14;
const QUARTERS = 8;
/** A key is remembered for this quarter and the four before it. */
const QUARTERS_KEPT = 4;
/** Cells looked over for one eviction, at most. */
const MAX_SWEPT = 128;

/**
 * The keys that one segment evicted lately: as many evictions as it has entries, so that a key found here
 * would still be in the cache if it had been given the time of one round.
 *
 * A table of buckets of four cells of 16 bits. What time it is, is counted in quarters of a round:
 *
 *   15  14 │ 13     11 │ 10             0
 *   kind   │ quarter   │ fingerprint        kind 0: free
 *
 * About one look-up in 600 finds a ghost that is another key's; it costs a hit at the worst. Everything
 * here runs under the segment's lock.
 */
export class Ghosts {
  readonly #cells: Uint16Array;
  readonly #words: Int32Array;
  readonly #buckets: number;

  constructor(buffer: SharedArrayBuffer, segmentAt: number, layout: Layout, segmentWords: Int32Array) {
    this.#cells = new Uint16Array(
      buffer,
      segmentAt + layout.ghostsAt,
      layout.ghostBuckets * GHOST_BUCKET_CELLS,
    );
    this.#words = segmentWords;
    this.#buckets = layout.ghostBuckets;
  }

  /** What became of the key, and forgets it. */
  take(h1: number): number {
    const cells = this.#cells;
    const bucket = this.#bucket(h1);
    const fingerprint = fingerprintOf(h1);
    for (let at = bucket; at < bucket + GHOST_BUCKET_CELLS; at += 1) {
      const cell = cells[at] as number;
      if ((cell & FINGERPRINT_MASK) !== fingerprint || this.#age(cell) > QUARTERS_KEPT) continue;
      const kind = cell >>> KIND_SHIFT;
      if (kind === GHOST.none) continue;
      cells[at] = 0;
      return kind;
    }
    return GHOST.none;
  }

  /** @param kind one of GHOST @param entries of the segment */
  add(h1: number, kind: number, entries: number): void {
    const cells = this.#cells;
    const bucket = this.#bucket(h1);
    let chosen = bucket;
    let oldest = -1;
    for (let at = bucket; at < bucket + GHOST_BUCKET_CELLS; at += 1) {
      const cell = cells[at] as number;
      const age = cell === 0 ? QUARTERS : this.#age(cell);
      if (age <= oldest) continue;
      oldest = age;
      chosen = at;
    }
    const quarter = this.#words[SEGMENT.ghostQuarter] as number;
    cells[chosen] = (kind << KIND_SHIFT) | (quarter << FINGERPRINT_BITS) | fingerprintOf(h1);
    this.#tick(entries);
  }

  clear(): void {
    this.#cells.fill(0);
  }

  #tick(entries: number): void {
    const words = this.#words;
    const ticks = (words[SEGMENT.ghostTicks] as number) + 1;
    const quarterPassed = ticks * 4 >= entries;
    words[SEGMENT.ghostTicks] = quarterPassed ? 0 : ticks;
    if (quarterPassed) {
      words[SEGMENT.ghostQuarter] = ((words[SEGMENT.ghostQuarter] as number) + 1) & (QUARTERS - 1);
    }
    this.#sweep(entries);
  }

  /** Clears old cells before their quarter comes round again: all of the table within half a round. */
  #sweep(entries: number): void {
    const cells = this.#cells;
    const { length } = cells;
    let at = this.#words[SEGMENT.ghostCursor] as number;
    for (let left = Math.min(MAX_SWEPT, Math.ceil((2 * length) / (entries + 1))); left > 0; left -= 1) {
      if (at >= length) at = 0;
      if (this.#age(cells[at] as number) > QUARTERS_KEPT) cells[at] = 0;
      at += 1;
    }
    this.#words[SEGMENT.ghostCursor] = at;
  }

  #age(cell: number): number {
    return ((this.#words[SEGMENT.ghostQuarter] as number) - (cell >>> FINGERPRINT_BITS)) & (QUARTERS - 1);
  }

  #bucket(h1: number): number {
    return Math.floor(((Math.imul(h1, 0x85ebca6b) >>> 0) * this.#buckets) / 2 ** 32) * GHOST_BUCKET_CELLS;
  }
}

function fingerprintOf(h1: number): number {
  return Math.imul(h1, 0x9e3779b1) >>> (32 - FINGERPRINT_BITS);
}
