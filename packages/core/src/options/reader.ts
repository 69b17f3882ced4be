import { InvalidValueError } from '@zmsg/workers';
import { type Duration, parseDuration } from './duration.js';
import type { Reader } from './setting.js';

const plain = (text: string) => text;
const grouped = (n: number) => n.toLocaleString('en-US');

export function integer(min: number, max: number, unit = 'a whole number'): Reader<number> {
  return {
    allowed: `${unit} from ${grouped(min)} to ${grouped(max)}`,
    fromText: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
    read: (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
        ? value
        : undefined,
  };
}

export function bytes(min: number, max: number): Reader<number> {
  return integer(min, max, 'a whole number of bytes, without a unit,');
}

/** A number above 0 and at most `max`. */
export function ratio(max: number): Reader<number> {
  return {
    allowed: `a number above 0 and at most ${max}`,
    fromText: (text) => (/^\d*\.?\d+(e-?\d+)?$/i.test(text) ? Number(text) : text),
    read: (value) => (typeof value === 'number' && value > 0 && value <= max ? value : undefined),
  };
}

export function boolean(): Reader<boolean> {
  return {
    allowed: 'true or false',
    fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
    read: (value) => (typeof value === 'boolean' ? value : undefined),
  };
}

export function oneOf<const T extends string>(...choices: readonly T[]): Reader<T> {
  return {
    allowed: choices.length === 1 ? `only ${choices[0]}` : `one of ${choices.join(', ')}`,
    fromText: plain,
    read: (value) => choices.find((choice) => choice === value),
  };
}

/** `min` and `max` as durations, so that errors name them as a user writes them. */
export function duration(min: string, max: string): Reader<number> {
  const minMs = parseDuration(min, 'min');
  const maxMs = parseDuration(max, 'max');
  return {
    allowed: `a duration from ${min} to ${max}, as whole milliseconds or text such as 250ms, 5s, 1h30m or 7d`,
    fromText: (text) => (/^\d+$/.test(text) ? Number(text) : text),
    read: (value) => {
      if (typeof value !== 'number' && typeof value !== 'string') return undefined;
      const ms = durationOrNothing(value);
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
    },
  };
}

function durationOrNothing(value: Duration): number | undefined {
  try {
    return parseDuration(value, '');
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}

/** Printable, well-formed text of `minBytes` to `maxBytes` bytes of UTF-8. */
export function text(minBytes: number, maxBytes: number): Reader<string> {
  return {
    allowed: `text of ${minBytes} to ${maxBytes} bytes without control characters`,
    fromText: plain,
    read: (value) => {
      if (typeof value !== 'string' || /\p{Cc}|\p{Cs}/u.test(value)) return undefined;
      const size = Buffer.byteLength(value);
      return size >= minBytes && size <= maxBytes ? value : undefined;
    },
  };
}

export function path(): Reader<string> {
  const inner = text(1, 4096);
  return {
    allowed: 'a path, absolute or relative to the working directory; ~ is not expanded',
    fromText: plain,
    read: (value) => {
      const given = inner.read(value);
      return given === undefined || given.startsWith('~') ? undefined : given;
    },
  };
}

const DATE = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** Milliseconds since 1970, or an ISO 8601 date (UTC) or date and time with its zone. */
export function instant(): Reader<number> {
  return {
    allowed: 'a date such as 2024-01-01 (UTC), a date and time with its zone, or milliseconds since 1970',
    fromText: (given) => (/^\d+$/.test(given) ? Number(given) : given),
    read: (value) => {
      if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
      const date = typeof value === 'string' ? DATE.exec(value)?.[1] : undefined;
      if (date === undefined) return undefined;
      // V8 takes February 30 for March 1: the day must come back as it was given.
      const midnight = Date.parse(`${date}T00:00:00Z`);
      if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(date)) return undefined;
      const ms = Date.parse(value as string);
      return ms >= 0 ? ms : undefined;
    },
  };
}
