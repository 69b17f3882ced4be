import { InvalidValueError } from '@zmsg/workers';
import { typeOf } from './key.js';

/** Largest value, in bytes: what a Redis string holds. */
export const MAX_VALUE_BYTES = 512 * 1024 * 1024;

/**
 * Throws unless `data` is a `Uint8Array` (a `Buffer` is one) of at most 512 MB.
 *
 * @throws InvalidValueError
 */
export function checkValue(data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) {
    throw new InvalidValueError(`a value must be a Uint8Array, not ${typeOf(data)}`);
  }
  if (data.byteLength > MAX_VALUE_BYTES) {
    throw new InvalidValueError(`a value must be at most ${MAX_VALUE_BYTES} bytes, not ${data.byteLength}`);
  }
}
