import { InvalidTaskError, InvalidValueError } from '@zmsg/workers';
import type { Kind } from './aggregated-text.js';
import { decimalOperand } from './decimal.js';
import { quoteIdentifier } from './identifier.js';
import { jsonText } from './json.js';
import { isPlainObject, kindOf } from './kind-of.js';
import { parameter } from './parameter.js';

/** The row that an `orInsert` may insert. */
export interface InsertRow {
  readonly columns: readonly string[];
  readonly values: readonly unknown[];
  readonly record: Readonly<Record<string, unknown>>;
  /** Equal for equal columns. */
  readonly shape: string;
}

/**
 * Checks names and values. The aggregated column's own value, where one is given, is what the
 * operation starts from: a number for a counter, an array for a slice, an object for a map.
 */
export function insertRow(given: Record<string, unknown>, kind: Kind, aggregated: string): InsertRow {
  if (!isPlainObject(given)) {
    throw new InvalidTaskError(`orInsert takes a plain object of columns and values, not ${kindOf(given)}`);
  }
  const columns = Object.keys(given);
  if (columns.length === 0) throw new InvalidTaskError('orInsert needs at least one column');
  const values = columns.map((column) => {
    quoteIdentifier(column);
    const place = `the value of orInsert's ${JSON.stringify(column)}`;
    const value = given[column];
    return column === aggregated && value !== null ? startValue(value, kind, place) : parameter(value, place);
  });
  // fromEntries defines properties: a column may be called __proto__.
  const record = Object.freeze(Object.fromEntries(columns.map((column, i) => [column, values[i]])));
  return { columns, values, record, shape: columns.join(',') };
}

function startValue(value: unknown, kind: Kind, place: string): unknown {
  if (kind === 'counter') return String(decimalOperand(value as number, place));
  const fits = kind === 'slice' ? Array.isArray(value) : isPlainObject(value);
  if (!fits) {
    throw new InvalidValueError(
      `${place} is ${kindOf(value)}, not ${kind === 'slice' ? 'an array' : 'a plain object'}`,
    );
  }
  return jsonText(value, place);
}
