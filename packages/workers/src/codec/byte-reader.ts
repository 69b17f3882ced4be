import { Tag } from './tag.js';

/** Reads what a `ByteWriter` wrote. Everything it returns is a copy: the memory may change after. */
export class ByteReader {
  #bytes: Buffer = Buffer.alloc(0);
  at = 0;

  open(bytes: Buffer, at: number): this {
    this.#bytes = bytes;
    this.at = at;
    return this;
  }

  byte(): number {
    return this.#bytes[this.at++] as number;
  }

  uint(): number {
    const bytes = this.#bytes;
    const at = this.at;
    this.at = at + 4;
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    );
  }

  /** `length` bytes as a string of one character per byte. */
  latin1(length: number): string {
    const at = this.at;
    this.at = at + length;
    return this.#bytes.toString('latin1', at, this.at);
  }

  raw(length: number): Buffer {
    const at = this.at;
    this.at = at + length;
    return Buffer.from(this.#bytes.subarray(at, this.at));
  }

  value(): unknown {
    const tag = this.byte();
    switch (tag) {
      case Tag.undefined:
        return undefined;
      case Tag.null:
        return null;
      case Tag.false:
        return false;
      case Tag.true:
        return true;
      case Tag.int:
        return this.uint() | 0;
      case Tag.double:
        return this.#double();
      case Tag.bigint:
        return BigInt(this.latin1(this.uint()));
      case Tag.ascii:
        return this.latin1(this.byte());
      case Tag.utf8:
        return this.#utf8(this.uint());
      case Tag.utf16: {
        const length = this.uint();
        const at = this.at;
        this.at = at + length;
        return this.#bytes.toString('utf16le', at, this.at);
      }
      case Tag.date:
        return new Date(this.#double());
      case Tag.bytes:
        return this.raw(this.uint());
      case Tag.json:
        return JSON.parse(this.#utf8(this.uint()));
      case Tag.array: {
        const count = this.uint();
        const values: unknown[] = [];
        for (let i = 0; i < count; i++) values.push(this.value());
        return values;
      }
      default:
        throw new RangeError(`byte ${tag} is no tag of a value`);
    }
  }

  values(count: number): unknown[] {
    const values: unknown[] = [];
    for (let i = 0; i < count; i++) values.push(this.value());
    return values;
  }

  #double(): number {
    const at = this.at;
    this.at = at + 8;
    return this.#bytes.readDoubleLE(at);
  }

  #utf8(length: number): string {
    const at = this.at;
    this.at = at + length;
    return this.#bytes.toString('utf8', at, this.at);
  }
}
