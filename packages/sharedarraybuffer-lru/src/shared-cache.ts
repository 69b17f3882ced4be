export interface SharedCacheOptions {
  /**
   * Everything in the SharedArrayBuffer, in bytes: index, values, headers, and what is remembered of evicted keys. 16 KiB to 32 GiB,
   * as far as Node.js can allocate it.
   */
  maxBytes: number;
  /**
   * Evicted keys that are remembered, from which eviction learns; 2 bytes each. With fewer than there are
   * entries the memory is shorter, and more keys are lost. @default one for each slot of the index, which
   * is also the most that is used
   */
  counters?: number;
  /** Reads that a thread keeps to itself before it adds them to the shared statistics. 1 to 65,536. @default 64 */
  bufferItems?: number;
  /**
   * What each thread keeps near of the hottest entries, in memory of its own; bytes, 0 to 1 GiB. They come
   * beside `maxBytes`, about 250 for each entry on the V8 heap. 0: every `get` gives a Buffer of its own.
   * @default half of `maxBytes`, at most 32 MiB
   */
  nearBytes?: number;
  /** A larger value is refused. Bytes. @default a quarter of a segment's value log */
  maxValueBytes?: number;
  /** Milliseconds since the epoch. @default Date.now */
  clock?: () => number;
}

/** What a thread may choose for itself when it attaches; the rest is in the shared memory. */
export interface SharedCacheAttachOptions {
  /** Milliseconds since the epoch; it must agree with the clock of the other threads. @default Date.now */
  clock?: () => number;
  /** As in `SharedCacheOptions`. @default as the cache was created with */
  nearBytes?: number;
}

export interface SharedCacheEntryOptions {
  /** Milliseconds, above zero. @default Infinity: the entry does not expire */
  ttl?: number | undefined;
}

/** Structured-cloneable; pass it to another thread and attach there. */
export interface SharedCacheHandle {
  readonly buffer: SharedArrayBuffer;
  readonly bufferItems: number;
  readonly nearBytes: number;
}

export interface SharedCacheStats {
  /** Of all threads; other threads' last `bufferItems` reads may be missing. */
  hits: number;
  misses: number;
  sets: number;
  evictions: number;
  /** Entries whose space was taken back because their time was over. */
  expirations: number;
  /** Sets refused because the value is larger than the bound. */
  refused: number;
  /** Segments that were emptied because a thread ended, or failed, inside a write. */
  repairs: number;
  /** Entries in the index, including expired ones that nothing has run into yet. */
  entries: number;
  /** Bytes of keys, values and their headers in use. */
  usedBytes: number;
  maxBytes: number;
}

/** What the engine uses of `SharedLRU`. Keys: 1 to 512 bytes of UTF-8. */
export interface SharedCache {
  /**
   * The value; undefined when absent or expired. Do not write to it: the next who reads the key in this thread
   * may be given the same Buffer. It stays as it is when the key is set, deleted or evicted.
   */
  get(key: string): Buffer | undefined;
  /**
   * As `get`, for callers that must answer with a promise: reads of a value that is near share one, already
   * resolved. Undefined, not a promise, when absent or expired.
   */
  promised(key: string): Promise<Buffer> | undefined;
  /** Those of the keys that are there, as `get` gives them; not at one instant. */
  getMany(keys: Iterable<string>): Map<string, Buffer>;
  has(key: string): boolean;
  /** Milliseconds left; `Infinity` without a TTL; undefined when absent or expired. */
  remainingTtl(key: string): number | undefined;
  /** False: refused, because the value is larger than the bound; an older value of the key is gone then. */
  set(key: string, value: Uint8Array, options?: SharedCacheEntryOptions): boolean;
  /** True if there was a value that had not expired. */
  delete(key: string): boolean;
  clear(): void;
  /** What `fill` needs to know that nobody wrote the key in the meantime. Take it before the load starts. */
  fillToken(key: string): number;
  /**
   * Stores a loaded value unless the key was set, deleted or cleared since the token was taken. False:
   * not stored, for that reason, because of a chance collision with another key, or because it is too large.
   */
  fill(key: string, value: Uint8Array, token: number, options?: SharedCacheEntryOptions): boolean;
  /**
   * Call when a thread has ended: frees and empties what it held. Returns the number of segments. The id is
   * that which the thread had while it ran; a Worker that has ended says -1. @throws RangeError
   */
  recover(threadId: number): number;
  /** The keys that have not expired, in no order; for debugging, since it locks each segment once. */
  keys(): IterableIterator<string>;
  /**
   * Up to `count` keys that have not expired, from random places: locks a few segments, each for as long as it
   * takes to copy its share of the keys. Of a cache that is nearly empty it may miss some.
   */
  sample(count: number): string[];
  stats(): SharedCacheStats;
  readonly handle: SharedCacheHandle;
}
