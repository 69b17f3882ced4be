import { type TierEntry, TierError, type TierKind } from './shared-tier.js';

/*
 *  byte 0    1       2         3       4 … 11       12 … 19                          20 …
 *  ┌────────┬──────┬─────────┬───────┬────────────┬────────────────────────────────┬─────────────┐
 *  │ record │ kind │ writers │ crowd │ token      │ expiresAt, float64 little endian│ value bytes │
 *  └────────┴──────┴─────────┴───────┴────────────┴────────────────────────────────┴─────────────┘
 *
 * `record`: VALUE; LEASE (no value: somebody loads the key); MARK (no value: strong writes are under way).
 * `kind`: CACHED lives in the caches alone, or is ahead of the database; STORED is what the database had, as
 * a strong write cached it; LOADED the same, as a loader built it.
 * `writers`, `crowd`, `token`: the strong writes under way, see `tier-scripts.ts`.
 *
 * `expiresAt`: milliseconds since 1970 on the writer's clock, Infinity for none. Redis' own PX ends
 * the entry's life; the copy in the header only spares a PTTL beside every GET. With clocks apart by
 * d, a reader sees a remaining TTL that is wrong by d, which is how much longer or shorter its L1
 * keeps the entry; the value is usable either way.
 *
 * A record that this version does not know is a miss.
 */
export const VALUE = 2;
export const LEASE = 3;
export const MARK = 4;
export const CACHED = 0;
export const STORED = 1;
export const LOADED = 2;
export const HEADER_BYTES = 20;
export const TOKEN_AT = 4;
export const TOKEN_BYTES = 8;
export const EXPIRES_AT = 12;

/** Redis' limit for a string. */
export const MAX_STORED_BYTES = 512 * 1024 * 1024;

/** Longer than this is no expiry: PX overflows at large numbers. */
const MAX_TTL_MS = 100 * 365 * 86_400_000;

/** A slice of a network chunk that is this small against its chunk is copied: it would keep the chunk alive. */
const MAX_RETAINED_FACTOR = 4;

/** PX of an entry: a whole number of milliseconds rounded up, or undefined for no expiry. */
export function expiryMs(ttlMs: number): number | undefined {
  return ttlMs > MAX_TTL_MS ? undefined : Math.ceil(ttlMs);
}

/** @throws TierError when the value does not fit into a Redis string. */
export function encodeTierValue(
  value: Uint8Array,
  kind: TierKind | 'loaded',
  ttlMs: number,
  nowMs: number,
): Buffer {
  assertFits(value);
  const stored = Buffer.allocUnsafe(HEADER_BYTES + value.byteLength);
  stored.fill(0, 0, HEADER_BYTES);
  stored[0] = VALUE;
  stored[1] = kind === 'cached' ? CACHED : kind === 'stored' ? STORED : LOADED;
  const pxMs = expiryMs(ttlMs);
  stored.writeDoubleLE(pxMs === undefined ? Number.POSITIVE_INFINITY : nowMs + pxMs, EXPIRES_AT);
  stored.set(value, HEADER_BYTES);
  return stored;
}

/** A record without a value. */
export function encodeLease(token: Buffer): Buffer {
  const record = Buffer.alloc(HEADER_BYTES);
  record[0] = LEASE;
  record.set(token, TOKEN_AT);
  return record;
}

export function isLease(stored: Buffer): boolean {
  return stored.byteLength === HEADER_BYTES && stored[0] === LEASE;
}

export function assertFits(value: Uint8Array): void {
  if (value.byteLength + HEADER_BYTES > MAX_STORED_BYTES) {
    throw new TierError('refused', `a value of ${value.byteLength} bytes does not fit into Redis`);
  }
}

/** Undefined: no value, or not of a format that is known here. */
export function decodeTierValue(stored: Buffer, nowMs: number): TierEntry | undefined {
  if (stored.byteLength < HEADER_BYTES || stored[0] !== VALUE) return undefined;
  const expiresAtMs = stored.readDoubleLE(EXPIRES_AT);
  if (Number.isNaN(expiresAtMs)) return undefined;
  const slice = stored.subarray(HEADER_BYTES);
  const retained = slice.buffer.byteLength > Math.max(8192, slice.byteLength * MAX_RETAINED_FACTOR);
  return {
    value: retained ? Buffer.from(slice) : slice,
    kind: stored[1] === CACHED ? 'cached' : 'stored',
    remainingTtlMs: Math.max(0, expiresAtMs - nowMs),
  };
}

/** Of a value: a loader built it, so a loader builds it again as long as its rows stay as they are. */
export function isLoaded(stored: Buffer): boolean {
  return stored[1] === LOADED;
}
