import { ZmsgError } from '@zmsg/workers';
import { InvalidKeyError } from './error.js';

/** Longest key, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 512;

/**
 * Throws unless `key` is a well-formed, non-empty string of at most 512 bytes of UTF-8 without
 * U+0000 (which PostgreSQL's text cannot hold).
 *
 * @throws InvalidKeyError
 */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new InvalidKeyError(`a key must be a string, not ${typeOf(key)}`);
  const { length } = key;
  if (length === 0) throw new InvalidKeyError('a key must not be empty');
  // A UTF-16 code unit takes at most three bytes: short keys need no count.
  if (length * 3 > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new InvalidKeyError(
      `a key must be at most ${MAX_KEY_BYTES} bytes of UTF-8, not ${Buffer.byteLength(key)}`,
    );
  }
  if (!key.isWellFormed())
    throw new InvalidKeyError(`a key must not hold a lone surrogate: ${JSON.stringify(key)}`);
  if (key.includes('\0')) throw new InvalidKeyError(`a key must not hold U+0000: ${JSON.stringify(key)}`);
}

/** L1 refuses what is no key by errors of its own, before anybody has looked at it here. */
export function keyErrorOr(error: unknown, key: unknown): unknown {
  if (error instanceof ZmsgError) return error;
  try {
    checkKey(key);
  } catch (keyError) {
    return keyError;
  }
  return error;
}

export function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? `a ${value.constructor?.name ?? 'null-prototype object'}` : typeof value;
}
