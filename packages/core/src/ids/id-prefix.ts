import { InvalidKeyError } from '../error.js';
import { MAX_DIGITS, MAX_ID_BYTES } from './id-layout.js';

const MAX_PREFIX_BYTES = MAX_ID_BYTES - MAX_DIGITS - 1;

/**
 * What stands before the number: `feed` gives `feed_`, nothing gives nothing.
 *
 * @throws InvalidKeyError when an id with this prefix could not be a key: not a string, a lone
 * surrogate or NUL in it (PostgreSQL takes neither), or more than 492 bytes of UTF-8.
 */
export function idPrefix(prefix: string | undefined): string {
  if (prefix === undefined || prefix === '') return '';
  if (typeof prefix !== 'string')
    throw new InvalidKeyError(`the prefix of an id must be a string, not ${typeof prefix}`);
  if (!prefix.isWellFormed()) throw new InvalidKeyError('the prefix of an id has a lone surrogate');
  if (prefix.includes('\0')) throw new InvalidKeyError('the prefix of an id has a NUL character');
  if (prefix.length > MAX_PREFIX_BYTES || Buffer.byteLength(prefix) > MAX_PREFIX_BYTES)
    throw new InvalidKeyError(`the prefix of an id has more than ${MAX_PREFIX_BYTES} bytes`);
  return `${prefix}_`;
}
