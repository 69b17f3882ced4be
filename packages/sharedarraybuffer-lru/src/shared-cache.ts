export interface SharedCacheOptions {
  /** Everything in the SharedArrayBuffer: index, values and counters. */
  maxBytes: number;
  /** Frequency counters of the admission policy. @default derived from maxBytes */
  counters?: number;
  /** Hits remembered per thread before they reach the shared counters. @default 64 */
  bufferItems?: number;
  /** A larger value is refused. @default a quarter of a segment's value log */
  maxValueBytes?: number;
  /** Milliseconds since the epoch. @default Date.now */
  clock?: () => number;
}

/** Structured-cloneable; pass it to another thread and attach there. */
export interface SharedCacheHandle {
  readonly buffer: SharedArrayBuffer;
  readonly bufferItems: number;
}

export interface SharedCacheStats {
  hits: number;
  misses: number;
  sets: number;
  evictions: number;
  expirations: number;
  /** Sets refused because the value is larger than the bound. */
  refused: number;
  entries: number;
  /** Bytes of keys, values and their headers in use. */
  usedBytes: number;
  maxBytes: number;
}

/** What the engine uses of `SharedLRU`. Keys: 1 to 512 bytes of UTF-8. */
export interface SharedCache {
  /** A copy of the value; undefined when absent or expired. */
  get(key: string): Buffer | undefined;
  has(key: string): boolean;
  /** Milliseconds left; `Infinity` without a TTL; undefined when absent or expired. */
  remainingTtl(key: string): number | undefined;
  /** False: refused, because the value is larger than the bound; an older value of the key is gone then. */
  set(key: string, value: Uint8Array, options?: { ttl?: number }): boolean;
  delete(key: string): boolean;
  clear(): void;
  stats(): SharedCacheStats;
  readonly handle: SharedCacheHandle;
}
