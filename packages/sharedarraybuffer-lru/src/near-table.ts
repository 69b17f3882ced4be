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
  readonly frequencyByte: number;
  readonly hash: number;
  readonly expiresAt: number;
  /** First word of the copy in the table's arena, and its bytes. */
  readonly at: number;
  readonly byteLength: number;
}

const MAX_ENTRIES = 32_768;
const MAX_ARENA_BYTES = 4 * 1024 * 1024;

/** Larger values gain little: their time goes into the copy. */
export const NEAR_VALUE_BYTES = 1024;

/**
 * The hottest entries of one thread, by key: a hit here needs no hash, no search and no checksum. What an
 * entry says is checked against the shared memory at each use, so it is never older than the index.
 *
 * Its copies lie in an arena of at most 4 MiB of this thread's own, a sixteenth of the cache at most; with
 * at most 32,768 entries it adds some 5 MB to the V8 heap. A full table is emptied at once: what is hot is
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

  constructor(cacheBytes: number) {
    this.#arenaWords = Math.floor(Math.min(MAX_ARENA_BYTES, cacheBytes / 16) / 4);
  }

  get(key: string): NearEntry | undefined {
    return this.#entries.get(key);
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
    if (this.#entries.size >= MAX_ENTRIES || this.#used + words > this.#arenaWords) {
      this.#entries.clear();
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += words;
    return at;
  }

  set(key: string, entry: NearEntry): void {
    this.#entries.set(key, entry);
  }
}

/** Whether the slot still has the record of the entry: see the argument in read-path.ts. */
export function isCurrent(entry: NearEntry): boolean {
  const { words } = entry.segment;
  return (
    Atomics.load(words, entry.placeWord) === entry.place &&
    words[entry.sealWord] === entry.seal &&
    entry.segment.epochNow === entry.epoch
  );
}
