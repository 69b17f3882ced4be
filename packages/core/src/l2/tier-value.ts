import { type TierEntry, TierError } from './shared-tier.js';

/*
 *  byte 0      1 … 8                              9 …
 *  ┌────────┬──────────────────────────────────┬─────────────┐
 *  │ format │ expiresAt, float64 little endian │ value bytes │
 *  └────────┴──────────────────────────────────┴─────────────┘
 *
 * `expiresAt`: milliseconds since 1970 on the writer's clock, Infinity for none. Redis' own PX ends
 * the entry's life; the copy in the header only spares a PTTL beside every GET. With clocks apart by
 * d, a reader sees a remaining TTL that is wrong by d, which is how much longer or shorter its L1
 * keeps the entry; the value is usable either way.
 *
 * A format that this version does not know (a newer node's tombstone or generation header) is a miss.
 */
const FORMAT_VALUE = 1;
export const HEADER_BYTES = 9;

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
export function encodeTierValue(value: Uint8Array, ttlMs: number, nowMs: number): Buffer {
  assertFits(value);
  const stored = Buffer.allocUnsafe(HEADER_BYTES + value.byteLength);
  stored[0] = FORMAT_VALUE;
  const pxMs = expiryMs(ttlMs);
  stored.writeDoubleLE(pxMs === undefined ? Number.POSITIVE_INFINITY : nowMs + pxMs, 1);
  stored.set(value, HEADER_BYTES);
  return stored;
}

export function assertFits(value: Uint8Array): void {
  if (value.byteLength + HEADER_BYTES > MAX_STORED_BYTES) {
    throw new TierError('refused', `a value of ${value.byteLength} bytes does not fit into Redis`);
  }
}

/** Undefined: not an entry of a format that is known here. */
export function decodeTierValue(stored: Buffer, nowMs: number): TierEntry | undefined {
  if (stored.byteLength < HEADER_BYTES || stored[0] !== FORMAT_VALUE) return undefined;
  const expiresAtMs = stored.readDoubleLE(1);
  if (Number.isNaN(expiresAtMs)) return undefined;
  const slice = stored.subarray(HEADER_BYTES);
  const retained = slice.buffer.byteLength > Math.max(8192, slice.byteLength * MAX_RETAINED_FACTOR);
  return {
    value: retained ? Buffer.from(slice) : slice,
    remainingTtlMs: Math.max(0, expiresAtMs - nowMs),
  };
}

/** KEYS[1], ARGV[1] = value. Keeps header and TTL, so what is left stays right; 0 when there is no entry. */
export const REPLACE_SCRIPT = `
local header = redis.call('GETRANGE', KEYS[1], 0, ${HEADER_BYTES - 1})
if #header < ${HEADER_BYTES} or string.byte(header, 1) ~= ${FORMAT_VALUE} then return 0 end
redis.call('SET', KEYS[1], header .. ARGV[1], 'KEEPTTL')
return 1`;
