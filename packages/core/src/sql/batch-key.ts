import { InvalidTaskError } from '@zmsg/workers';
import { textFault } from './text-fault.js';

const maxBytes = 512;

/** Throws `InvalidTaskError` unless `key` is a non-empty, well-formed string of at most 512 bytes of UTF-8. */
export function checkBatchKey(key: string): string {
  if (typeof key !== 'string') throw new InvalidTaskError(`a batchKey is a string, not ${typeof key}`);
  if (key === '') throw new InvalidTaskError('a batchKey cannot be empty');
  const fault = key.length > maxBytes ? undefined : textFault(key);
  if (fault !== undefined) throw new InvalidTaskError(`a batchKey cannot hold ${fault}`);
  // A code unit of UTF-16 takes at most three bytes of UTF-8.
  if (key.length * 3 > maxBytes && Buffer.byteLength(key) > maxBytes) {
    throw new InvalidTaskError(
      `a batchKey has at most ${maxBytes} bytes, this one has ${Buffer.byteLength(key)}`,
    );
  }
  return key;
}
