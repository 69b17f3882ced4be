import { CacheMemory } from './cache-memory.js';
import { HitBuffer, readLong } from './hit-buffer.js';
import { KeyProbe, kindOf } from './key-probe.js';
import { HEADER, SEGMENT } from './layout.js';
import type { NearTable } from './near-table.js';
import * as checked from './options.js';
import { ReadPath } from './read-path.js';
import { HEADER_WORDS, keyBytesOf, META, UNIT_BYTES } from './record.js';
import type { Segment } from './segment.js';
import type {
  SharedCache,
  SharedCacheAttachOptions,
  SharedCacheEntryOptions,
  SharedCacheHandle,
  SharedCacheOptions,
  SharedCacheStats,
} from './shared-cache.js';
import { WritePath } from './write-path.js';

/**
 * A bounded byte cache in one SharedArrayBuffer. Each thread has an object of this class; all of them
 * show the same entries. Reads take no lock. Every call is synchronous; a write waits for at most the
 * other writers of the same segment, each of which takes microseconds.
 *
 * Keys: strings of 1 to 512 bytes of UTF-8; others throw TypeError (no string, lone surrogates) or
 * RangeError (empty, too long). Values: Uint8Array, else TypeError.
 */
export class SharedLRU implements SharedCache {
  readonly handle: SharedCacheHandle;
  readonly #memory: CacheMemory;
  readonly #clock: () => number;
  readonly #key: KeyProbe;
  readonly #reads: ReadPath;
  readonly #near: NearTable;
  readonly #writes: readonly WritePath[];
  readonly #segments: readonly Segment[];
  readonly #segmentMask: number;
  readonly #hits: HitBuffer;

  private constructor(
    memory: CacheMemory,
    bufferItems: number,
    nearBytes: number,
    clock: (() => number) | undefined,
  ) {
    this.handle = Object.freeze({ buffer: memory.buffer, bufferItems, nearBytes });
    this.#memory = memory;
    this.#clock = clock ?? Date.now;
    this.#key = new KeyProbe(memory.seed1, memory.seed2);
    this.#hits = new HitBuffer(memory.header, bufferItems);
    this.#reads = new ReadPath(memory.segments, clock, this.#hits, nearBytes);
    this.#near = this.#reads.near;
    this.#segments = memory.segments;
    this.#segmentMask = memory.segments.length - 1;
    const { maxValueBytes } = memory.layout;
    this.#writes = memory.segments.map((segment) => new WritePath(segment, maxValueBytes));
  }

  /** A new, empty cache. @throws RangeError or TypeError that names the option. */
  static create(options: SharedCacheOptions): SharedLRU {
    const resolved = checked.resolveOptions(options);
    const nearBytes = resolved.nearBytes ?? checked.defaultNearBytes(resolved.maxBytes);
    return new SharedLRU(CacheMemory.create(resolved), resolved.bufferItems, nearBytes, resolved.clock);
  }

  /** The cache of another thread. @throws TypeError if the handle is not that of a cache of this version. */
  static attach(handle: SharedCacheHandle, options: SharedCacheAttachOptions = {}): SharedLRU {
    if (typeof handle !== 'object' || handle === null) {
      throw new TypeError(`the handle must be that of a SharedLRU, not ${kindOf(handle)}`);
    }
    const memory = CacheMemory.attach(handle.buffer);
    return new SharedLRU(
      memory,
      checked.bufferItems(handle.bufferItems),
      checked.nearBytes(options.nearBytes ?? handle.nearBytes) ??
        checked.defaultNearBytes(memory.layout.maxBytes),
      checked.clock(options.clock),
    );
  }

  get(key: string): Buffer | undefined {
    const near = this.#near.get(key);
    if (near !== undefined) return near;
    const probe = this.#key;
    probe.load(key);
    return this.#reads.get(probe.h1 & this.#segmentMask, probe, key);
  }

  promised(key: string): Promise<Buffer> | undefined {
    const near = this.#near.promised(key);
    if (near !== undefined) return near;
    const probe = this.#key;
    probe.load(key);
    const value = this.#reads.get(probe.h1 & this.#segmentMask, probe, key);
    return value && Promise.resolve(value);
  }

  getMany(keys: Iterable<string>): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    for (const key of keys) {
      const value = this.get(key);
      if (value !== undefined) found.set(key, value);
    }
    return found;
  }

  /** Like `remainingTtl`, it leaves the statistics and the frequency of the entry as they are. */
  has(key: string): boolean {
    return this.remainingTtl(key) !== undefined;
  }

  remainingTtl(key: string): number | undefined {
    const probe = this.#key;
    probe.load(key);
    return this.#reads.remaining(this.#segments[probe.h1 & this.#segmentMask] as Segment, probe);
  }

  set(key: string, value: Uint8Array, options?: SharedCacheEntryOptions): boolean {
    const probe = this.#key;
    probe.load(key);
    mustBeBytes(value);
    const ttl = checked.lifetime(options?.ttl);
    const now = this.#clock();
    return this.#writer().set(probe, value, now + ttl, now);
  }

  delete(key: string): boolean {
    this.#key.load(key);
    const now = this.#clock();
    return this.#writer().delete(this.#key, now);
  }

  /** Segment by segment: a set in another thread, at the same time, may come before or after. */
  clear(): void {
    for (const writer of this.#writes) writer.clear();
  }

  fillToken(key: string): number {
    const probe = this.#key;
    probe.load(key);
    return (this.#segments[probe.h1 & this.#segmentMask] as Segment).token(probe.h2);
  }

  fill(key: string, value: Uint8Array, token: number, options?: SharedCacheEntryOptions): boolean {
    const probe = this.#key;
    probe.load(key);
    mustBeBytes(value);
    const ttl = checked.lifetime(options?.ttl);
    const now = this.#clock();
    return this.#writer().fill(probe, value, token, now + ttl, now);
  }

  recover(threadId: number): number {
    // A Worker's own `threadId` is -1 once it has ended, when it is too late to ask for it.
    checked.threadId(threadId);
    let recovered = 0;
    for (const writer of this.#writes) if (writer.recover(threadId)) recovered += 1;
    return recovered;
  }

  *keys(): IterableIterator<string> {
    for (let i = 0; i < this.#segments.length; i += 1) {
      const segment = this.#segments[i] as Segment;
      const now = this.#clock();
      yield* (this.#writes[i] as WritePath).inspect(() => keysOf(segment, now));
    }
  }

  sample(count: number): string[] {
    const keys: string[] = [];
    const { length } = this.#segments;
    const share = Math.ceil((count * SAMPLE_SPREAD) / length);
    const slots = SAMPLE_SLOTS / length;
    const first = Math.floor(Math.random() * length);
    for (let i = 0; i < length && keys.length < count; i += 1) {
      const at = (first + i * SAMPLE_STRIDE) % length;
      const segment = this.#segments[at] as Segment;
      const now = this.#clock();
      const most = Math.min(share, count - keys.length);
      const start = Math.floor(Math.random() * segment.buckets) * 8;
      keys.push(...(this.#writes[at] as WritePath).inspect(() => keysOf(segment, now, start, most, slots)));
    }
    return keys;
  }

  /** Exact for this thread's calls; see SharedCacheStats for those of others. */
  stats(): SharedCacheStats {
    this.#hits.flush();
    const { header, layout } = this.#memory;
    const stats: SharedCacheStats = {
      hits: readLong(header, HEADER.hits),
      misses: readLong(header, HEADER.misses),
      sets: 0,
      evictions: 0,
      expirations: 0,
      refused: 0,
      repairs: 0,
      entries: 0,
      usedBytes: 0,
      maxBytes: layout.maxBytes,
    };
    for (const { words, floats, small, main } of this.#segments) {
      stats.sets += floats[SEGMENT.sets / 2] as number;
      stats.evictions += floats[SEGMENT.evictions / 2] as number;
      stats.expirations += floats[SEGMENT.expirations / 2] as number;
      stats.refused += floats[SEGMENT.refused / 2] as number;
      stats.repairs += words[SEGMENT.repairs] as number;
      stats.entries += words[SEGMENT.entries] as number;
      stats.usedBytes += (small.live + main.live) * UNIT_BYTES;
    }
    return stats;
  }

  #writer(): WritePath {
    return this.#writes[this.#key.h1 & this.#segmentMask] as WritePath;
  }
}

/** A sample comes from a quarter of the segments, if they have enough. */
const SAMPLE_SPREAD = 4;
/** That one call may look at; about a millisecond. */
const SAMPLE_SLOTS = 2 ** 18;
/** Odd, and the number of segments is a power of two: each is met once. */
const SAMPLE_STRIDE = 27;

function mustBeBytes(value: unknown): void {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError(`the value must be a Uint8Array, not ${kindOf(value)}`);
  }
}

/** At most `most` of those in `count` slots from `start` on, around the end. */
function keysOf(
  segment: Segment,
  now: number,
  start = 0,
  most = Number.POSITIVE_INFINITY,
  count = Number.POSITIVE_INFINITY,
): string[] {
  const keys: string[] = [];
  if (segment.words[SEGMENT.entries] === 0) return keys;
  const slots = segment.buckets * 8;
  const end = Math.min(slots, count);
  for (let n = 0; n < end && keys.length < most; n += 1) {
    const slot = (start + n) % slots;
    const place = (slot & 7) === 7 ? 0 : segment.place(slot);
    if (place === 0) continue;
    const record = segment.recordWord(place);
    if (segment.expiresAt(record) <= now) continue;
    const from = (record + HEADER_WORDS) * 4;
    // TextDecoder and most others refuse shared memory: copy first.
    const bytes = segment.bytes.slice(from, from + keyBytesOf(segment.words[record + META] as number));
    keys.push(Buffer.from(bytes).toString());
  }
  return keys;
}
