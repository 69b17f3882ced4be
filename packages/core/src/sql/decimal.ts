import { InvalidValueError, type Operand } from '@zmsg/workers';
import { kindOf } from './kind-of.js';

/** The digits that PostgreSQL's `numeric` can hold before and after the point. */
const maxWholeDigits = 131_072;
const maxFractionDigits = 16_383;
const shape = /^([+-]?)([0-9]+)(?:\.([0-9]+))?$/;

/**
 * A counter's operand, exact: a safe integer stays (or becomes) a number, a bigger bigint stays one,
 * and every other number is plain decimal text. A binary float stands for its shortest decimal, the
 * one that JavaScript prints: 0.1 is `'0.1'`, 1e21 is `'1000000000000000000000'`. Decimal text keeps
 * its trailing zeros (`numeric` shows them) and loses leading ones.
 *
 * Throws `InvalidValueError` for NaN, ±Infinity, text that is no plain decimal, other types, and what
 * `numeric` has no digits for. `what` and `suffix` name the operand in the message.
 */
export function decimalOperand(value: number | bigint | string, what: string, suffix = ''): Operand {
  // -0 + 0 is 0.
  if (Number.isSafeInteger(value)) return (value as number) + 0;
  const place = what + suffix;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new InvalidValueError(`${place} is ${value}, not a finite number`);
    return plainText(String(value));
  }
  if (typeof value === 'bigint') {
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
    checkDigits(String(value).length, 0, place);
    return value;
  }
  if (typeof value !== 'string') {
    throw new InvalidValueError(`${place} is ${kindOf(value)}, not a number, a bigint or decimal text`);
  }
  const match = value.length > maxWholeDigits + maxFractionDigits + 2 ? null : shape.exec(value);
  if (match === null) {
    throw new InvalidValueError(`${place} is not plain decimal text such as '-12.50'`);
  }
  const whole = (match[2] as string).replace(/^0+(?=[0-9])/, '');
  const fraction = match[3];
  checkDigits(whole.length, fraction?.length ?? 0, place);
  const text = fraction === undefined ? whole : `${whole}.${fraction}`;
  const isZero = /^[0.]*$/.test(text);
  const signed = match[1] === '-' && !isZero ? `-${text}` : text;
  if (fraction === undefined && Number.isSafeInteger(Number(signed))) return Number(signed);
  return signed;
}

/** Whether an operand has digits after the point, be they zeros. */
export function isFractional(operand: Operand): boolean {
  return typeof operand === 'string' && operand.includes('.');
}

/** `1.5e-7` without its exponent. */
function plainText(text: string): string {
  const [mantissa = '', exponent] = text.split('e');
  if (exponent === undefined) return text;
  const sign = mantissa.startsWith('-') ? '-' : '';
  const [whole = '', fraction = ''] = mantissa.slice(sign.length).split('.');
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return sign + digits.padEnd(point, '0');
}

function checkDigits(whole: number, fraction: number, place: string): void {
  if (whole <= maxWholeDigits && fraction <= maxFractionDigits) return;
  throw new InvalidValueError(
    `${place} has more digits than PostgreSQL's numeric (${maxWholeDigits} before, ${maxFractionDigits} after the point)`,
  );
}
