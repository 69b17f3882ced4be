import { InvalidValueError } from '@zmsg/workers';
import { jsonText } from './json.js';
import { isPlainObject, kindOf } from './kind-of.js';
import { textFault } from './text-fault.js';

/** PostgreSQL's arrays have 6 dimensions at most. */
const maxDimensions = 6;

/**
 * Checks the values of a statement's placeholders, in place, and returns them. What `pg`
 * would turn into something else without a word is refused, with the place of the value (never the
 * value itself, which may be private):
 *
 * - `null`, booleans, bigints, numbers (also NaN and ±Infinity, which float columns hold), strings and
 *   `Uint8Array`s (`bytea`, not copied) stay as they are; valid dates are copied.
 * - An array is a PostgreSQL array (`= ANY(?)`), as with `pg`; for a JSON array give its text.
 * - A plain object is JSON; it is turned into text at once, so that later changes do not reach it.
 * - `undefined`, functions, symbols, other objects, and strings that PostgreSQL cannot hold (U+0000,
 *   lone surrogates) are `InvalidValueError`s.
 */
export function checkParameters(values: unknown[], what: string): readonly unknown[] {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value === 'number') continue;
    if (typeof value === 'string') {
      const fault = textFault(value);
      if (fault === undefined) continue;
      throw new InvalidValueError(`${what} ${i + 1}: PostgreSQL has no text with ${fault}`);
    }
    if (value === null || typeof value === 'bigint' || typeof value === 'boolean') continue;
    values[i] = parameter(value, `${what} ${i + 1}`);
  }
  return values;
}

/** One value as `checkParameters` takes it; `place` names it in errors. */
export function parameter(value: unknown, place: string): unknown {
  return convert(value, place, 0);
}

function convert(value: unknown, place: string, dimension: number): unknown {
  switch (typeof value) {
    case 'number':
    case 'bigint':
    case 'boolean':
      return value;
    case 'string': {
      const fault = textFault(value);
      if (fault === undefined) return value;
      throw new InvalidValueError(`${place}: PostgreSQL has no text with ${fault}`);
    }
    case 'object':
      if (value === null || value instanceof Uint8Array) return value;
      if (value instanceof Date) {
        if (!Number.isNaN(value.getTime())) return new Date(value);
        throw new InvalidValueError(`${place} is an invalid date`);
      }
      if (Array.isArray(value)) {
        if (dimension === maxDimensions) {
          throw new InvalidValueError(
            `${place} is an array of more than ${maxDimensions} dimensions, which PostgreSQL does not have`,
          );
        }
        // Not `map`: it leaves out the holes of a sparse array, and pg makes NULLs of them.
        return Object.freeze(Array.from(value, (each, i) => convert(each, `${place}[${i}]`, dimension + 1)));
      }
      if (isPlainObject(value)) return jsonText(value, place);
  }
  throw new InvalidValueError(`${place} is ${kindOf(value)}, which PostgreSQL cannot take`);
}
