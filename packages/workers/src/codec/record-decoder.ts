import { unpack } from 'msgpackr';
import type { AggregatedOperation, Operation, OperationValues, Shape } from '../operation.js';
import type { Operand } from '../task.js';
import { ByteReader } from './byte-reader.js';
import type { LongRecords } from './long-records.js';
import { BODY_AT, DURABILITY_AT, OPERATIONS, RecordType } from './record.js';
import type { ShapeInterner } from './shape-interner.js';

/** A read of an aggregated column, in its place among the writes. */
export interface ReadRequest {
  readonly kind: 'read';
  readonly requestId: number;
  readonly shape: Shape;
  readonly op: 'get' | 'getKey';
  readonly key: string | undefined;
  readonly rawKey: string;
  values(): OperationValues;
}

/** A call of `flush()`, in its place among the writes. */
export interface FlushRequest {
  readonly kind: 'flush';
  readonly requestId: number;
}

export type Decoded = Operation | ReadRequest | FlushRequest;

/** Decodes the records of one ring, in their order. */
export class RecordDecoder {
  readonly #producer: number;
  readonly #interner: ShapeInterner;
  readonly #shapes: Shape[] = [];
  readonly #definitions: Buffer[] = [];
  /** The whole record that was decoded last, chunks joined; valid as long as the memory it was read from. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** The record that defines its shape, if it has one: the same object until the shape is defined anew. */
  definition: Buffer | undefined;
  readonly #reader = new ByteReader();
  readonly #longRecords: LongRecords | undefined;
  readonly #onDefinition: ((id: number, record: Buffer) => void) | undefined;

  /**
   * @param longRecords joins chunks: of a ring, not of the log, where there are none
   * @param onDefinition called for each definition of a shape, with a copy of its record
   */
  constructor(
    producer: number,
    interner: ShapeInterner,
    longRecords?: LongRecords,
    onDefinition?: (id: number, record: Buffer) => void,
  ) {
    this.#producer = producer;
    this.#interner = interner;
    this.#longRecords = longRecords;
    this.#onDefinition = onDefinition;
  }

  /** Undefined for records that carry nothing by themselves: definitions and all but the last chunk. */
  decode(bytes: Buffer, start: number, end: number): Decoded | undefined {
    const type = bytes[start + 4] as number;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.definition = undefined;
    const reader = this.#reader.open(bytes, start + BODY_AT);
    switch (type) {
      case RecordType.aggregated:
        return this.#aggregated(reader, bytes[start + 5] as number);
      case RecordType.shape: {
        const id = reader.uint();
        this.#shapes[id] = this.#interner.intern(unpack(reader.raw(end - reader.at)) as Shape);
        const record = Buffer.from(bytes.subarray(start, end));
        this.#definitions[id] = record;
        this.#onDefinition?.(id, record);
        return undefined;
      }
      case RecordType.content: {
        const text = reader.value() as string;
        const batchKey = reader.value() as string | undefined;
        const values = reader.values(reader.uint());
        return { kind: 'content', text, values, batchKey, producer: this.#producer };
      }
      case RecordType.put:
        return { kind: 'put', key: reader.value() as string, data: reader.value() as Buffer };
      case RecordType.read:
        return this.#read(reader, bytes[start + 5] as number);
      case RecordType.flush:
        return { kind: 'flush', requestId: reader.uint() };
      case RecordType.chunk: {
        const record = this.#longRecords?.join(bytes, start, end);
        return record === undefined ? undefined : this.decode(record, 0, record.length);
      }
      default:
        throw new RangeError(`there is no record of type ${type}`);
    }
  }

  /** How durable the record decoded last is to be: a `DurabilityLevel`. */
  get level(): number {
    return this.bytes[this.start + DURABILITY_AT] as number;
  }

  #aggregated(reader: ByteReader, op: number): DecodedOperation {
    const id = reader.uint();
    const shape = this.#shape(id);
    this.definition = this.#definitions[id];
    const rawKey = reader.latin1(reader.uint());
    const operand = reader.value() as Operand | undefined;
    const key = shape.kind === 'map' ? (reader.value() as string | undefined) : undefined;
    const { insertColumns } = shape;
    const insertValues = insertColumns === undefined ? undefined : reader.values(insertColumns.length);
    const name = OPERATIONS[op] as AggregatedOperation['op'];
    return new DecodedOperation(shape, name, operand, key, rawKey, insertValues);
  }

  #read(reader: ByteReader, op: number): ReadRequest {
    const shape = this.#shape(reader.uint());
    const rawKey = reader.latin1(reader.uint());
    const key = reader.value() as string | undefined;
    const requestId = reader.uint();
    const name = OPERATIONS[op] as ReadRequest['op'];
    return {
      kind: 'read',
      requestId,
      shape,
      op: name,
      key,
      rawKey,
      values: () => decodeKey(shape, rawKey, undefined),
    };
  }

  #shape(id: number): Shape {
    const shape = this.#shapes[id];
    if (shape === undefined) throw new RangeError(`shape ${id} is not defined`);
    return shape;
  }
}

/** An operation whose values are decoded when someone asks: most join a group that is known. */
class DecodedOperation implements AggregatedOperation {
  readonly kind = 'aggregated';
  readonly shape: Shape;
  readonly op: AggregatedOperation['op'];
  readonly operand: Operand | undefined;
  readonly key: string | undefined;
  readonly rawKey: string;
  readonly #insertValues: readonly unknown[] | undefined;

  constructor(
    shape: Shape,
    op: AggregatedOperation['op'],
    operand: Operand | undefined,
    key: string | undefined,
    rawKey: string,
    insertValues: readonly unknown[] | undefined,
  ) {
    this.shape = shape;
    this.op = op;
    this.operand = operand;
    this.key = key;
    this.rawKey = rawKey;
    this.#insertValues = insertValues;
  }

  values(): OperationValues {
    return decodeKey(this.shape, this.rawKey, this.#insertValues);
  }
}

function decodeKey(
  shape: Shape,
  rawKey: string,
  insertValues: readonly unknown[] | undefined,
): OperationValues {
  const reader = new ByteReader().open(Buffer.from(rawKey, 'latin1'), 0);
  const batchKey = reader.value() as string | undefined;
  return { batchKey, whereValues: reader.values(shape.whereParts.length - 1), insertValues };
}
