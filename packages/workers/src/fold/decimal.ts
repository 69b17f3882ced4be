import { InvalidTaskError } from '../error.js';
import type { Operand } from '../task.js';

/**
 * An exact decimal, `mantissa / 10^scale`. The scale is the number of digits behind the point, kept as
 * PostgreSQL's `numeric` keeps it: `1.50` is not `1.5`, though they are equal.
 */
export interface Decimal {
  readonly mantissa: bigint;
  /** 0 or more. */
  readonly scale: number;
}

export const ZERO: Decimal = { mantissa: 0n, scale: 0 };

const PLAIN = /^([+-]?)(\d*)(?:\.(\d*))?$/;

/** Reads an operand. Throws `InvalidTaskError` for what is no plain decimal (no exponent, no NaN). */
export function parseDecimal(operand: Operand): Decimal {
  if (typeof operand === 'bigint') return { mantissa: operand, scale: 0 };
  if (typeof operand === 'number') {
    if (!Number.isSafeInteger(operand)) {
      throw new InvalidTaskError(`${operand} is no safe integer: give it as a bigint or as decimal text`);
    }
    return { mantissa: BigInt(operand), scale: 0 };
  }
  const match = typeof operand === 'string' ? PLAIN.exec(operand) : null;
  const [, sign = '', whole = '', fraction = ''] = match ?? [];
  if (whole === '' && fraction === '') {
    throw new InvalidTaskError(`${JSON.stringify(String(operand).slice(0, 80))} is no decimal number`);
  }
  const mantissa = BigInt(whole + fraction);
  return { mantissa: sign === '-' ? -mantissa : mantissa, scale: fraction.length };
}

/** Text that PostgreSQL reads as the same value with the same scale. */
export function formatDecimal({ mantissa, scale }: Decimal): string {
  if (scale === 0) return mantissa.toString();
  const isNegative = mantissa < 0n;
  const digits = (isNegative ? -mantissa : mantissa).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${isNegative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** As `numeric + numeric`: the larger scale of the two. */
export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.scale === b.scale) return { mantissa: a.mantissa + b.mantissa, scale: a.scale };
  const [short, long] = a.scale < b.scale ? [a, b] : [b, a];
  const factor = 10n ** BigInt(long.scale - short.scale);
  return { mantissa: short.mantissa * factor + long.mantissa, scale: long.scale };
}

/** As `numeric * numeric`: the sum of the scales. */
export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  return { mantissa: a.mantissa * b.mantissa, scale: a.scale + b.scale };
}

export function negateDecimal({ mantissa, scale }: Decimal): Decimal {
  return { mantissa: -mantissa, scale };
}

/** True if the value is a multiple of 10^-scale; the scale may be negative, as in `numeric(3,-2)`. */
export function fitsScale({ mantissa, scale: own }: Decimal, scale: number): boolean {
  return own <= scale || mantissa % 10n ** BigInt(own - scale) === 0n;
}
