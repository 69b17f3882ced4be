import type { Segment } from './segment.js';

/** A record as this thread saw it last, and where to look whether it is still the key's record. */
export interface NearEntry {
  readonly segment: Segment;
  /** Word of the slot's place; that place. */
  readonly placeWord: number;
  readonly place: number;
  readonly epoch: number;
  readonly sealWord: number;
  readonly seal: number;
  /** Of the segment, when the seal was looked at last. */
  laps: number;
  readonly frequencyByte: number;
  readonly expiresAt: number;
  /** First word of the copy in the table's arena, and its bytes. */
  readonly at: number;
  readonly byteLength: number;
}

// Measured with 1 k, 4 k, 8 k, 16 k and 32 k entries (bench/get-set.mjs): beyond 16 k nothing gets faster.
const MAX_ENTRIES = 16_384;
const MAX_ARENA_BYTES = 2 * 1024 * 1024;

/** Uses that an admission must bring on average; it costs about as much as a hit saves twice. */
const WORTHWHILE_HITS = 4;
const MAX_SAMPLING = 256;

/** Larger values gain little: their time goes into the copy. */
export const NEAR_VALUE_BYTES = 1024;

/**
 * The hottest entries of one thread, by key: a hit here needs no hash, no search and no checksum. What an
 * entry says is checked against the shared memory at each use, so it is never older than the index.
 *
 * Its copies lie in an arena of at most 2 MiB of this thread's own, a sixteenth of the cache at most; with
 * at most 16,384 entries it adds some 3 MB to the V8 heap. A full table is emptied at once: what is hot is
 * back after one read each, and neither lists nor a second generation cost the other reads anything.
 *
 * Who is admitted: keys that the index has seen hit three times. On a uniform load over many keys that is
 * hardly any, and a miss in an empty table costs next to nothing.
 */
export class NearTable {
  readonly #entries = new Map<string, NearEntry>();
  readonly #arenaWords: number;
  #arena: Int32Array | undefined;
  #used = 0;
  #hits = 0;
  /** One of so many candidates is admitted. */
  #sampling = 1;
  #candidates = 0;

  constructor(cacheBytes: number) {
    this.#arenaWords = Math.floor(Math.min(MAX_ARENA_BYTES, cacheBytes / 16) / 4);
  }

  get(key: string): NearEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#hits += 1;
    return entry;
  }

  get arena(): Int32Array {
    this.#arena ??= new Int32Array(this.#arenaWords);
    return this.#arena;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Room for a copy of so many words: its first word in the arena; undefined when it is too large. */
  allocate(words: number): number | undefined {
    if (words > this.#arenaWords) return undefined;
    this.#candidates += 1;
    if (this.#candidates < this.#sampling) return undefined;
    this.#candidates = 0;
    if (this.#entries.size >= MAX_ENTRIES || this.#used + words > this.#arenaWords) this.#empty();
    const at = this.#used;
    this.#used += words;
    return at;
  }

  set(key: string, entry: NearEntry): void {
    this.#entries.set(key, entry);
  }

  /** A table that is filled faster than it is used admits fewer, up to one in 256. */
  #empty(): void {
    const paid = this.#hits >= WORTHWHILE_HITS * this.#entries.size;
    this.#sampling = paid ? Math.max(1, this.#sampling >> 1) : Math.min(MAX_SAMPLING, this.#sampling << 1);
    this.#entries.clear();
    this.#used = 0;
    this.#hits = 0;
  }
}

/** A place can come back after 64 laps of its ring; both rings of a segment count into `laps`. */
const LAPS_TRUSTED = 32;

/**
 * Whether the slot still has the record of the entry.
 *
 * The same place means the same record as long as its ring has not gone round often enough for places to
 * come back. The laps stand beside the epoch, on a line that all entries of the segment share and that is
 * hardly ever written, so this looks at one line of the entry's own: that of its slot. After many laps the
 * seal tells records apart, as in read-path.ts; that line is the record's, and mostly out of the cache.
 * The place is loaded first: whoever published a later record under it had counted its laps before.
 */
export function isCurrent(entry: NearEntry): boolean {
  const { words } = entry.segment;
  if (Atomics.load(words, entry.placeWord) !== entry.place || entry.segment.epochNow !== entry.epoch) {
    return false;
  }
  const laps = entry.segment.lapsNow;
  if ((laps - entry.laps) >>> 0 < LAPS_TRUSTED) return true;
  if (words[entry.sealWord] !== entry.seal) return false;
  entry.laps = laps;
  return true;
}
