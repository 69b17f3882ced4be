/**
 * A parameter as JSON. What JSON has no text for is an object with one key that begins with `$`; JSON
 * objects are such objects themselves, so that nothing is ambiguous.
 */
export type TaggedValue =
  | null
  | boolean
  | number
  | string
  | readonly TaggedValue[]
  | { readonly $bigint: string }
  /** NaN, Infinity, -Infinity, -0 */
  | { readonly $number: string }
  /** base64 */
  | { readonly $bytes: string }
  /** Milliseconds since 1970. */
  | { readonly $date: number }
  /** JSON text, as `pg` sends an object. */
  | { readonly $json: string }
  | { readonly $undefined: true };

export function tagValue(value: unknown): TaggedValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return { $number: Object.is(value, -0) ? '-0' : String(value) };
    case 'bigint':
      return { $bigint: value.toString() };
    case 'undefined':
      return { $undefined: true };
    default:
      return tagObject(value as object | null);
  }
}

function tagObject(value: object | null): TaggedValue {
  if (value === null) return null;
  if (Array.isArray(value)) return Array.from(value, tagValue);
  if (value instanceof Date) return { $date: value.getTime() };
  if (ArrayBuffer.isView(value)) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  }
  return { $json: JSON.stringify(value) };
}

/** The parameter again, the same to PostgreSQL. */
export function untagValue(tagged: TaggedValue): unknown {
  if (tagged === null || typeof tagged !== 'object') return tagged;
  if (Array.isArray(tagged)) return tagged.map(untagValue);
  if ('$bigint' in tagged) return BigInt(tagged.$bigint);
  if ('$number' in tagged) return Number(tagged.$number);
  if ('$bytes' in tagged) return Buffer.from(tagged.$bytes, 'base64');
  if ('$date' in tagged) return new Date(tagged.$date);
  if ('$json' in tagged) return tagged.$json;
  return undefined;
}

/** Bound of the length of the value's JSON, without building it. */
export function taggedLength(value: unknown): number {
  // A character takes up to six: \u0000.
  if (typeof value === 'string') return value.length * (/^[ !#-[\]-~]*$/.test(value) ? 1 : 6);
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + taggedLength(item) + 1, 2);
  if (ArrayBuffer.isView(value)) return Math.ceil(value.byteLength / 3) * 4 + 16;
  if (typeof value === 'bigint') return value.toString().length + 16;
  if (value === null || typeof value !== 'object' || value instanceof Date) return 64;
  // Quotes in it are escaped once more.
  return JSON.stringify(value).length * 12;
}

/** The value with long texts and bytes cut, for people to read. */
export function excerptOf(value: unknown, maxLength: number): unknown {
  if (typeof value === 'string') return value.slice(0, maxLength);
  if (Array.isArray(value)) return value.slice(0, 10).map((item) => excerptOf(item, maxLength));
  if (ArrayBuffer.isView(value)) {
    const length = Math.min(value.byteLength, maxLength);
    return Buffer.from(value.buffer, value.byteOffset, length);
  }
  return typeof value === 'object' && value !== null && !(value instanceof Date)
    ? JSON.stringify(value).slice(0, maxLength)
    : value;
}
