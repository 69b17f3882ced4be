import { createHash } from 'node:crypto';

/** Eight bytes that tell a value from another one. */
export function digestOf(value: Uint8Array): Buffer {
  return createHash('sha256').update(value).digest().subarray(0, 8);
}
