import { types } from 'node:util';
import { InvalidValueError } from '../error.js';
import { Tag } from './tag.js';

const INITIAL_BYTES = 16_384;
/** A buffer that grew beyond this for one record is not kept for the next. */
const KEPT_BYTES = 1 << 20;
/** Arrays nest at most this deep (PostgreSQL's arrays have six dimensions). */
const MAX_DEPTH = 32;
/** Where a call into the runtime becomes cheaper than a loop over characters. */
const LOOP_CHARS = 64;
/** PostgreSQL takes no value of 1 GiB or more. */
const MAX_VALUE_BYTES = (1 << 30) - 1;

/** Builds one record after the other in memory of its own, which grows as needed. */
export class ByteWriter {
  bytes: Buffer = Buffer.alloc(0);
  words: Int32Array = new Int32Array(0);
  /** Where the next byte goes. */
  at = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor() {
    this.#allocate(INITIAL_BYTES);
  }

  /** Forgets what was written. */
  reset(): void {
    this.at = 0;
    if (this.bytes.length > KEPT_BYTES) this.#allocate(INITIAL_BYTES);
  }

  byte(value: number): void {
    this.#need(1);
    this.bytes[this.at++] = value;
  }

  uint(value: number): void {
    this.#need(4);
    this.uintAt(this.at, value);
    this.at += 4;
  }

  /** Overwrites four bytes. */
  uintAt(at: number, value: number): void {
    const bytes = this.bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  raw(source: Uint8Array): void {
    this.#need(source.byteLength);
    this.bytes.set(source, this.at);
    this.at += source.byteLength;
  }

  /**
   * Writes any value that `pg` takes as a parameter.
   *
   * @throws InvalidValueError for functions, symbols, invalid dates and objects without a JSON text.
   */
  value(value: unknown, depth = 0): void {
    switch (typeof value) {
      case 'string':
        this.string(value);
        return;
      case 'number':
        if ((value | 0) === value && !Object.is(value, -0)) {
          this.#tag(Tag.int);
          this.uint(value);
        } else {
          this.#double(Tag.double, value);
        }
        return;
      case 'boolean':
        this.#tag(value ? Tag.true : Tag.false);
        return;
      case 'undefined':
        this.#tag(Tag.undefined);
        return;
      case 'bigint': {
        const digits = value.toString();
        this.#tag(Tag.bigint);
        this.uint(digits.length);
        this.#need(digits.length);
        this.at += this.bytes.write(digits, this.at, 'latin1');
        return;
      }
      case 'object':
        this.#object(value, depth);
        return;
      default:
        throw new InvalidValueError(`a ${typeof value} cannot be written to a database`);
    }
  }

  string(text: string): void {
    const length = text.length;
    if (length <= LOOP_CHARS) {
      this.#need(length + 2);
      const bytes = this.bytes;
      const at = this.at;
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code > 127) break;
        bytes[at + 2 + i] = code;
      }
      if (i === length) {
        bytes[at] = Tag.ascii;
        bytes[at + 1] = length;
        this.at = at + 2 + length;
        return;
      }
    }
    if (text.isWellFormed()) {
      this.#tag(Tag.utf8);
      this.#text(text);
    } else {
      this.#tag(Tag.utf16);
      this.uint(checkedLength(length * 2));
      this.#need(length * 2);
      this.at += this.bytes.write(text, this.at, 'utf16le');
    }
  }

  #object(value: object | null, depth: number): void {
    if (value === null) {
      this.#tag(Tag.null);
    } else if (ArrayBuffer.isView(value)) {
      this.#tag(Tag.bytes);
      this.uint(checkedLength(value.byteLength));
      this.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else if (types.isDate(value)) {
      if (Number.isNaN(value.getTime())) throw new InvalidValueError('an invalid Date cannot be written');
      this.#double(Tag.date, value.getTime());
    } else if (depth >= MAX_DEPTH) {
      throw new InvalidValueError(`a value is nested more than ${MAX_DEPTH} levels deep, or contains itself`);
    } else if (Array.isArray(value)) {
      this.#tag(Tag.array);
      this.uint(value.length);
      for (let i = 0; i < value.length; i++) this.value(value[i], depth + 1);
    } else if ('toPostgres' in value && typeof value.toPostgres === 'function') {
      // pg's own extension point; what it returns is the parameter.
      this.value(
        value.toPostgres((inner: unknown) => inner),
        depth + 1,
      );
    } else {
      let json: string | undefined;
      try {
        json = JSON.stringify(value);
      } catch (error) {
        throw new InvalidValueError(`an object has no JSON text: ${(error as Error).message}`, {
          cause: error,
        });
      }
      if (json === undefined) {
        this.#tag(Tag.null); // a toJSON() that returns undefined; pg sends NULL
        return;
      }
      this.#tag(Tag.json);
      this.#text(json);
    }
  }

  #tag(tag: number): void {
    this.#need(1);
    this.bytes[this.at++] = tag;
  }

  #double(tag: number, value: number): void {
    this.#need(9);
    this.bytes[this.at] = tag;
    this.#view.setFloat64(this.at + 1, value, true);
    this.at += 9;
  }

  /** Length and UTF-8 of a well-formed string. */
  #text(text: string): void {
    // Measuring costs a pass; for short texts the bound is cheaper than the measure.
    const bound = text.length <= 4096 ? text.length * 3 : Buffer.byteLength(text);
    this.#need(4 + checkedLength(bound));
    const length = this.bytes.write(text, this.at + 4, 'utf8');
    this.uintAt(this.at, length);
    this.at += 4 + length;
  }

  #need(bytes: number): void {
    // Three bytes more: records are copied in words.
    const size = this.at + bytes + 3;
    if (size > this.bytes.length) this.#allocate(Math.max(size, this.bytes.length * 2));
  }

  #allocate(size: number): void {
    const memory = new ArrayBuffer((size + 3) & ~3);
    const bytes = Buffer.from(memory);
    if (this.at > 0) bytes.set(this.bytes.subarray(0, this.at));
    this.bytes = bytes;
    this.words = new Int32Array(memory);
    this.#view = new DataView(memory);
  }
}

function checkedLength(bytes: number): number {
  if (bytes > MAX_VALUE_BYTES)
    throw new InvalidValueError(`a value of ${bytes} bytes is too long for PostgreSQL`);
  return bytes;
}
