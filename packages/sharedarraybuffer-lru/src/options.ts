import { kindOf } from './key-probe.js';
import type { SharedCacheOptions } from './shared-cache.js';

export const MIN_BYTES = 16 * 1024;
export const MAX_BYTES = 32 * 1024 ** 3;
export const MAX_VALUE_BYTES = 2 ** 28;

export const MAX_NEAR_BYTES = 2 ** 30;

export const DEFAULT_BUFFER_ITEMS = 64;
const DEFAULT_NEAR_BYTES = 32 * 1024 ** 2;

/** Validated; what is undefined is derived from `maxBytes` by the layout. */
export interface ResolvedOptions {
  readonly maxBytes: number;
  readonly counters: number | undefined;
  readonly bufferItems: number;
  /** @default defaultNearBytes(maxBytes) */
  readonly nearBytes: number | undefined;
  readonly maxValueBytes: number | undefined;
  /** @default Date.now */
  readonly clock: (() => number) | undefined;
}

export function resolveOptions(options: SharedCacheOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options must be an object, not ${kindOf(options)}`);
  }
  const { counters, maxValueBytes } = options;
  return {
    maxBytes: integer('maxBytes', options.maxBytes, MIN_BYTES, MAX_BYTES),
    counters: counters === undefined ? undefined : integer('counters', counters, 1, Number.MAX_SAFE_INTEGER),
    bufferItems: bufferItems(options.bufferItems ?? DEFAULT_BUFFER_ITEMS),
    nearBytes: nearBytes(options.nearBytes),
    maxValueBytes:
      maxValueBytes === undefined ? undefined : integer('maxValueBytes', maxValueBytes, 0, MAX_VALUE_BYTES),
    clock: clock(options.clock),
  };
}

export function bufferItems(value: unknown): number {
  return integer('bufferItems', value, 1, 65_536);
}

export function nearBytes(value: unknown): number | undefined {
  return value === undefined ? undefined : integer('nearBytes', value, 0, MAX_NEAR_BYTES);
}

export function defaultNearBytes(maxBytes: number): number {
  return Math.floor(Math.min(maxBytes / 2, DEFAULT_NEAR_BYTES));
}

export function clock(value: unknown): (() => number) | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'function') throw new TypeError(`clock must be a function, not ${kindOf(value)}`);
  return value as () => number;
}

export function threadId(value: unknown): number {
  return integer('threadId', value, 0, 2 ** 30 - 2);
}

/** The lifetime in milliseconds; Infinity for none. */
export function lifetime(ttl: unknown): number {
  if (ttl === undefined) return Number.POSITIVE_INFINITY;
  if (typeof ttl !== 'number')
    throw new TypeError(`ttl must be a number of milliseconds, not ${kindOf(ttl)}`);
  if (!(ttl > 0)) throw new RangeError(`ttl must be above zero milliseconds, it is ${ttl}`);
  return ttl;
}

function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${kindOf(value)}`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, it is ${value}`);
  }
  return value;
}
