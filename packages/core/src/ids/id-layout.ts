/**
 * An id: 41 bits of milliseconds since the id epoch, 10 bits node id, 12 bits sequence; the sign bit
 * stays free, so an id fits PostgreSQL's bigint.
 */
export const NODES = 1024;
export const SEQUENCES_PER_MS = 4096;
/** Exclusive; 69.7 years after the id epoch. */
export const MAX_TIME_MS = 2 ** 41;
/** Decimal digits of the largest id, 2^63 − 1. */
export const MAX_DIGITS = 19;
/** Bytes of UTF-8 of an id with its prefix: the bound of every key. */
export const MAX_ID_BYTES = 512;

/**
 * How far ids may run ahead of the clock, milliseconds: room for bursts of 4 × 4,096 ids beyond the
 * rate, and small steps back of the clock that nobody has to wait for.
 */
export const MAX_AHEAD_MS = 4;
/** A clock that stepped back further than it may run ahead is waited out up to this; more is refused. */
export const MAX_WAIT_MS = 10;
