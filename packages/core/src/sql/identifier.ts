import { InvalidTaskError } from '@zmsg/workers';
import { BoundedCache } from './bounded-cache.js';

const plain = /^[\p{L}_][\p{L}\p{N}_$]*$/u;
/** PostgreSQL cuts longer names off in silence (NAMEDATALEN - 1), and so may name another column. */
const maxBytes = 63;

const names = new BoundedCache<string>(1000);
const tables = new BoundedCache<string>(1000);

/**
 * A column name, validated and quoted; never split at dots. Quoting keeps the case: `userId` is the
 * column `"userId"`, which `CREATE TABLE … (userId int)` does not make.
 *
 * Only letters, digits, `_` and `$` pass, though quoting makes any character safe: a name with quotes
 * or semicolons is an attack or a mistake, and is better heard of here than as a missing column.
 * Throws `InvalidTaskError`.
 *
 * @example
 * quoteIdentifier('like_count'); // "like_count"
 */
export function quoteIdentifier(name: string, what = 'column'): string {
  const known = typeof name === 'string' ? names.get(name) : undefined;
  if (known !== undefined) return known;
  const quoted = quotePart(name, name, what);
  names.set(name, quoted);
  return quoted;
}

/**
 * A table given as `name` or `schema.name`, each part validated and quoted. Throws `InvalidTaskError`.
 *
 * @example
 * quoteTable('social.feeds'); // "social"."feeds"
 */
export function quoteTable(name: string): string {
  const known = typeof name === 'string' ? tables.get(name) : undefined;
  if (known !== undefined) return known;
  const parts = typeof name === 'string' ? name.split('.') : [name];
  if (parts.length > 2) {
    throw new InvalidTaskError(`a table is name or schema.name, not ${JSON.stringify(name)}`);
  }
  const quoted = parts.map((part) => quotePart(part, name, 'table')).join('.');
  tables.set(name, quoted);
  return quoted;
}

function quotePart(part: string, name: string, what: string): string {
  if (typeof part !== 'string') {
    throw new InvalidTaskError(`a ${what} name is a string, not ${typeof part}`);
  }
  if (!plain.test(part)) {
    const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
    throw new InvalidTaskError(
      `${shown} is no ${what} name: it may hold letters, digits, _ and $ only, and not begin with a digit`,
    );
  }
  if (Buffer.byteLength(part) > maxBytes) {
    throw new InvalidTaskError(`the ${what} name ${part.slice(0, 80)} is longer than ${maxBytes} bytes`);
  }
  return `"${part.replaceAll('"', '""')}"`;
}
