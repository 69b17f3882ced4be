/** Types of which two values are equal exactly if their texts are, once written in one way. */
export type KeyType = 'int2' | 'int4' | 'int8' | 'text' | 'uuid' | 'bool';

export interface KeyColumn {
  readonly name: string;
  readonly type: KeyType;
}

const INTEGER = /^[ \t\n\r\f\v]*[+-]?\d{1,30}[ \t\n\r\f\v]*$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const BITS: Readonly<Record<'int2' | 'int4' | 'int8', bigint>> = { int2: 15n, int4: 31n, int8: 63n };
const BOOLEANS: ReadonlyMap<string, string> = new Map([
  ['true', 'true'],
  ['t', 'true'],
  ['1', 'true'],
  ['false', 'false'],
  ['f', 'false'],
  ['0', 'false'],
]);

/**
 * The one text of a value of this type. Undefined for NULL and for everything that the type does not
 * take, or takes in a way not known here: PostgreSQL itself has to look at such a value.
 */
export function canonicalKey(type: KeyType, value: unknown): string | undefined {
  const text = parameterText(value);
  if (text === undefined) return undefined;
  switch (type) {
    case 'text':
      return text.includes('\0') ? undefined : text;
    case 'uuid':
      return UUID.test(text) ? text.toLowerCase() : undefined;
    case 'bool':
      return BOOLEANS.get(text.toLowerCase());
    default:
      return canonicalInteger(text, BITS[type]);
  }
}

function canonicalInteger(text: string, bits: bigint): string | undefined {
  if (!INTEGER.test(text)) return undefined;
  const integer = BigInt(text.trim());
  return integer >= -(1n << bits) && integer < 1n << bits ? integer.toString() : undefined;
}

/** As `pg` sends it, for the kinds of values that keys are. */
function parameterText(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      // What UTF-8 cannot hold arrives as U+FFFD.
      return value.isWellFormed() ? value : value.toWellFormed();
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return undefined;
  }
}
