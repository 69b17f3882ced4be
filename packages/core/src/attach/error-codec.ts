import * as workers from '@zmsg/workers';
import pg from 'pg';
import * as core from '../error.js';
import { isSendable } from './message-codec.js';

/** What was thrown, as plain data. */
export type EncodedError =
  | { readonly error: ErrorFields }
  | { readonly errors: readonly EncodedError[] }
  /** What is no error; if it cannot be sent, a text of it. */
  | { readonly value: unknown };

interface ErrorFields {
  /** Name of its class. */
  readonly type: string;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Own properties beside those, `code` and `cause` among them. */
  readonly fields: readonly (readonly [name: string, value: EncodedError])[];
}

/** An error may have itself as its cause. */
const MAX_DEPTH = 8;

const OWN = new Set(['message', 'stack']);

/**
 * Classes that are the same in every thread, by name. Found among the exports, so that a new error class needs
 * no line here. Any other class arrives as an `Error` with the same name and fields.
 */
const CLASSES: ReadonlyMap<string, { prototype: Error }> = new Map(
  [
    ...Object.values(workers),
    ...Object.values(core),
    pg.DatabaseError,
    Error,
    AggregateError,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
  ].flatMap((each) => (isErrorClass(each) ? [[each.name, each] as const] : [])),
);

export function encodeError(thrown: unknown): EncodedError {
  return encode(thrown, 0);
}

/** An error of the same class with the same fields and stack. */
export function decodeError(encoded: EncodedError): unknown {
  if ('value' in encoded) return encoded.value;
  if ('errors' in encoded) return encoded.errors.map(decodeError);
  const { type, name, message, stack, fields } = encoded.error;
  if (type === 'DOMException') return new DOMException(message, name);
  // Not by the constructor of its class: each takes other arguments.
  const error = new Error(message);
  Object.setPrototypeOf(error, (CLASSES.get(type) ?? CLASSES.get(name) ?? Error).prototype);
  hide(error, 'stack', stack);
  for (const [field, value] of fields) {
    // As constructors leave them: these two are not enumerable, the others are.
    if (field === 'cause' || field === 'errors') hide(error, field, decodeError(value));
    else Object.assign(error, { [field]: decodeError(value) });
  }
  if (error.name !== name) hide(error, 'name', name);
  return error;
}

function encode(thrown: unknown, depth: number): EncodedError {
  if (Array.isArray(thrown) && thrown.some((each) => each instanceof Error) && depth < MAX_DEPTH) {
    return { errors: thrown.map((each) => encode(each, depth + 1)) };
  }
  if (!(thrown instanceof Error)) return { value: isSendable(thrown) ? thrown : String(thrown) };
  const { name, message, stack } = thrown;
  const fields =
    depth === MAX_DEPTH
      ? []
      : Object.getOwnPropertyNames(thrown)
          .filter((field) => !OWN.has(field))
          .map((field) => [field, encode(Reflect.get(thrown, field), depth + 1)] as const);
  return { error: { type: thrown.constructor.name, name, message, stack, fields } };
}

function hide(error: Error, field: string, value: unknown): void {
  Object.defineProperty(error, field, { value, writable: true, configurable: true, enumerable: false });
}

function isErrorClass(each: unknown): each is { name: string; prototype: Error } {
  return typeof each === 'function' && (each === Error || each.prototype instanceof Error);
}
