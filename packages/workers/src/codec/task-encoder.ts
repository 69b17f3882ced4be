import { DurabilityLevel } from '../durability.js';
import { InvalidTaskError } from '../error.js';
import type { ReadTask, WriteTask } from '../task.js';
import { ByteWriter } from './byte-writer.js';
import { BODY_AT, KEY_AT, OPERATION_CODES, RecordType } from './record.js';
import { hashBytes, hashText, hashValue, shardOf } from './route.js';
import { type KnownShape, type ShapedTask, ShapeTable } from './shape-table.js';

/** Turns tasks into records, one at a time, and says which shard takes them. */
export class TaskEncoder {
  readonly #writer = new ByteWriter();
  readonly #shapes: ShapeTable;
  readonly #shards: number;
  readonly #producer: number;
  #shape: KnownShape | undefined;
  #isWriting = false;

  constructor(shards: number, producer: number) {
    this.#shards = shards;
    this.#producer = producer;
    this.#shapes = new ShapeTable(shards);
  }

  /** The record written last; valid until the next one. Its first word is its length in bytes. */
  get record(): Int32Array {
    return this.#writer.words;
  }

  get recordBytes(): number {
    return this.#writer.at;
  }

  /** What has to be defined in the shard's ring before the record. */
  get shape(): KnownShape | undefined {
    return this.#shape;
  }

  /** A copy of the record, to be kept. */
  copyRecord(): Int32Array {
    return this.#writer.words.slice(0, (this.#writer.at + 3) >> 2);
  }

  /**
   * Writes the record of a task and returns its shard.
   *
   * @throws InvalidValueError for a value that cannot be written.
   * @throws InvalidTaskError for a task whose parts do not fit together.
   */
  write(task: WriteTask, level: DurabilityLevel = DurabilityLevel.off): number {
    return this.#exclusively(() => this.#write(task, level));
  }

  read(task: ReadTask, requestId: number): number {
    return this.#exclusively(() => this.#read(task, requestId));
  }

  flush(requestId: number): void {
    this.#begin(RecordType.flush, 0);
    this.#writer.uint(requestId);
    this.#finish();
  }

  #write(task: WriteTask, level: DurabilityLevel): number {
    const writer = this.#writer;
    switch (task.kind) {
      case 'counter':
      case 'slice':
      case 'map': {
        const shard = this.#aggregated(RecordType.aggregated, task, level);
        writer.value(task.operand);
        if (task.kind === 'map') writer.value(task.key);
        const { insertColumns } = (this.#shape as KnownShape).shape;
        if (insertColumns !== undefined && task.orInsert !== undefined) {
          for (const column of insertColumns) writer.value(task.orInsert[column]);
        }
        this.#finish();
        return shard;
      }
      case 'content':
        this.#begin(RecordType.content, 0, level);
        writer.string(task.text);
        writer.value(task.batchKey);
        writer.uint(task.values.length);
        for (const value of task.values) writer.value(value);
        this.#finish();
        return task.batchKey === undefined
          ? this.#producer % this.#shards
          : shardOf(hashText(task.batchKey), this.#shards);
      case 'put':
        this.#begin(RecordType.put, 0, level);
        writer.string(task.key);
        writer.value(task.data);
        this.#finish();
        return shardOf(hashText(task.key), this.#shards);
      default:
        throw new InvalidTaskError(`there is no task of kind ${String((task as { kind: unknown }).kind)}`);
    }
  }

  #read(task: ReadTask, requestId: number): number {
    const shard = this.#aggregated(RecordType.read, task);
    this.#writer.value(task.key);
    this.#writer.uint(requestId);
    this.#finish();
    return shard;
  }

  /** Code of the caller's runs meanwhile (`toJSON`): it must not come back here. */
  #exclusively(write: () => number): number {
    if (this.#isWriting)
      throw new InvalidTaskError('a value cannot submit a task while it is encoded itself');
    this.#isWriting = true;
    try {
      return write();
    } finally {
      this.#isWriting = false;
    }
  }

  #aggregated(type: number, task: ShapedTask, level: DurabilityLevel = DurabilityLevel.off): number {
    const { where, batchKey } = task;
    if (where.parts.length !== where.values.length + 1) {
      throw new InvalidTaskError(`the condition "${where.text}" has ${where.values.length} values`);
    }
    const known = this.#shapes.get(task);
    const writer = this.#writer;
    this.#begin(type, OPERATION_CODES[task.op], level);
    this.#shape = known;
    writer.uint(known.id);
    writer.uint(0);
    if (batchKey === undefined) writer.value(undefined);
    else writer.string(batchKey);
    let hash: number | undefined = known.routeSeed;
    for (let i = 0; i < where.values.length; i++) {
      const value = where.values[i];
      const start = writer.at;
      writer.value(value);
      if (hash !== undefined) hash = hashValue(value, writer.bytes, start, writer.at, hash);
    }
    writer.uintAt(KEY_AT - 4, writer.at - KEY_AT);
    if (batchKey !== undefined) hash = hashText(batchKey);
    hash ??= hashBytes(writer.bytes, KEY_AT, writer.at, known.routeSeed);
    return shardOf(hash, this.#shards);
  }

  #begin(type: number, op: number, level: DurabilityLevel = DurabilityLevel.off): void {
    const writer = this.#writer;
    writer.reset();
    this.#shape = undefined;
    writer.words[1] = type | (op << 8) | (level << 16);
    writer.at = BODY_AT;
  }

  #finish(): void {
    this.#writer.words[0] = this.#writer.at;
  }
}
