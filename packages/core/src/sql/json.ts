import { InvalidValueError } from '@zmsg/workers';
import { isPlainObject, kindOf } from './kind-of.js';
import { textFault } from './text-fault.js';

const maxDepth = 1000;
/** A `jsonb` value has at most 2^28 - 1 bytes; a small graph of shared objects can unfold to any size. */
const maxLength = 0xfff_ffff;

/** Where the serializer is, to name the place of a fault. */
interface Position {
  readonly place: string;
  readonly suffix: string;
  readonly keys: (string | number)[];
  readonly ancestors: object[];
  length: number;
}

/**
 * The JSON text of a value, exact or not at all. `JSON.stringify` turns NaN into null, drops functions
 * and writes U+0000, which `jsonb` cannot hold; here these are `InvalidValueError`s that name `place`
 * and the path inside the value, as are lone surrogates, cycles, more than 1,000 levels, undefined in
 * an array, invalid dates, and objects (bytes too) that are neither plain nor have a `toJSON`. A bigint is an exact JSON number.
 * As in `JSON.stringify`, a property that is undefined is left out and `toJSON` (dates) is called.
 *
 * @example
 * jsonText({ id: 9007199254740993n, at: undefined }, 'the value'); // {"id":9007199254740993}
 */
export function jsonText(value: unknown, place: string, suffix = ''): string {
  // Tags and the like; a position for them would take three times as long as the rest.
  if (typeof value === 'string' && textFault(value) === undefined) return JSON.stringify(value);
  return serialize(value, { place, suffix, keys: [], ancestors: [], length: 0 });
}

function serialize(given: unknown, position: Position): string {
  if (given instanceof Date && Number.isNaN(given.getTime())) {
    throw new InvalidValueError(`${pathOf(position)} is an invalid date`);
  }
  const value = hasToJson(given) ? given.toJSON(String(position.keys.at(-1) ?? '')) : given;
  switch (typeof value) {
    case 'string':
      return count(stringText(value, position), position);
    case 'number':
      if (!Number.isFinite(value)) break;
      return count(value === 0 ? '0' : String(value), position);
    case 'bigint':
    case 'boolean':
      return count(String(value), position);
    case 'object': {
      if (value === null) return count('null', position);
      const isArray = Array.isArray(value);
      if (!isArray && !isPlainObject(value)) break;
      enter(value, position);
      const text = isArray ? arrayText(value, position) : objectText(value, position);
      position.ancestors.pop();
      return text;
    }
  }
  throw new InvalidValueError(`${pathOf(position)} is ${kindOf(value)}, which has no JSON form`);
}

function arrayText(value: readonly unknown[], position: Position): string {
  let text = '[';
  for (let i = 0; i < value.length; i++) {
    position.keys.push(i);
    text += i === 0 ? serialize(value[i], position) : `,${serialize(value[i], position)}`;
    position.keys.pop();
  }
  return `${text}]`;
}

function objectText(value: object, position: Position): string {
  let text = '{';
  for (const [key, each] of Object.entries(value)) {
    if (each === undefined) continue;
    position.keys.push(key);
    const name = count(stringText(key, position), position);
    text += `${text.length === 1 ? '' : ','}${name}:${serialize(each, position)}`;
    position.keys.pop();
  }
  return `${text}}`;
}

function stringText(value: string, position: Position): string {
  const fault = textFault(value);
  if (fault !== undefined) throw new InvalidValueError(`${pathOf(position)}: jsonb cannot hold ${fault}`);
  return JSON.stringify(value);
}

function enter(value: object, position: Position): void {
  if (position.ancestors.length === maxDepth) {
    const isCyclic = new Set(position.ancestors).size < maxDepth;
    throw new InvalidValueError(
      isCyclic
        ? `${rootOf(position)} contains itself`
        : `${rootOf(position)} has more than ${maxDepth} levels`,
    );
  }
  position.ancestors.push(value);
}

function count(text: string, position: Position): string {
  position.length += text.length + 1;
  if (position.length > maxLength) {
    throw new InvalidValueError(`${rootOf(position)} is longer than ${maxLength} characters of JSON`);
  }
  return text;
}

function hasToJson(value: unknown): value is { toJSON(key: string): unknown } {
  if (typeof value !== 'object' || value === null || !('toJSON' in value)) return false;
  // A Buffer's says { type: 'Buffer', data: […] }, which nobody wants in a column.
  return typeof value.toJSON === 'function' && !(value instanceof Uint8Array);
}

function rootOf({ place, suffix }: Position): string {
  return place + suffix;
}

function pathOf(position: Position): string {
  const { keys } = position;
  const path = keys
    .map((key) => (typeof key === 'number' ? `[${key}]` : `[${JSON.stringify(key)}]`))
    .join('');
  return `${rootOf(position)}${path.length > 200 ? `${path.slice(0, 200)}…` : path}`;
}
