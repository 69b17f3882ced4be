import { pack } from 'msgpackr';
import type { Shape } from '../operation.js';
import type { CounterTask, MapTask, ReadTask, SliceTask } from '../task.js';
import { BODY_AT, RecordType } from './record.js';
import { hashText } from './route.js';

/** Distinct shapes that a producer remembers; then it starts anew with the ids. */
const MAX_SHAPES = 4096;

export type ShapedTask = CounterTask | SliceTask | MapTask | ReadTask;

/** A shape as its producer knows it. */
export class KnownShape {
  readonly id: number;
  readonly shape: Shape;
  /** Hash of table and condition: where the tasks without a batch key are routed from. */
  readonly routeSeed: number;
  /** Its definition, as it is written into each ring before the first use there. */
  readonly record: Int32Array;
  /** By shard: 1 where it is defined. */
  readonly definedIn: Uint8Array;

  constructor(id: number, shape: Shape, shards: number) {
    this.id = id;
    this.shape = shape;
    this.routeSeed = hashText(`${shape.table}\0${shape.whereText}`);
    this.definedIn = new Uint8Array(shards);
    const body = pack(shape);
    const length = BODY_AT + 4 + body.length;
    this.record = new Int32Array((length + 3) >> 2);
    const bytes = Buffer.from(this.record.buffer);
    bytes.writeInt32LE(length, 0);
    bytes[4] = RecordType.shape;
    bytes.writeUInt32LE(id, BODY_AT);
    bytes.set(body, BODY_AT + 4);
  }

  matches(task: ShapedTask): boolean {
    const { shape } = this;
    return (
      shape.column === task.column &&
      shape.whereText === task.where.text &&
      shape.table === task.table &&
      shape.kind === task.kind &&
      sameColumns(shape.insertColumns, task.orInsert)
    );
  }
}

/** Finds the shape of a task; most tasks have the shape of one of the last few. */
export class ShapeTable {
  readonly #shards: number;
  /** By condition text, then table and column: no text is built to look one up. */
  readonly #byWhere = new Map<string, Map<string, KnownShape[]>>();
  #count = 0;
  #last: KnownShape | undefined;

  constructor(shards: number) {
    this.#shards = shards;
  }

  get(task: ShapedTask): KnownShape {
    const last = this.#last;
    if (last?.matches(task)) return last;
    const found = this.#find(task) ?? this.#add(task);
    this.#last = found;
    return found;
  }

  #find(task: ShapedTask): KnownShape | undefined {
    return this.#byWhere
      .get(task.where.text)
      ?.get(task.column)
      ?.find((known) => known.matches(task));
  }

  #add(task: ShapedTask): KnownShape {
    if (this.#count === MAX_SHAPES) {
      this.#byWhere.clear();
      this.#count = 0;
    }
    const shape: Shape = {
      kind: task.kind,
      table: task.table,
      column: task.column,
      whereText: task.where.text,
      whereParts: [...task.where.parts],
      insertColumns: task.orInsert === undefined ? undefined : Object.keys(task.orInsert),
    };
    const known = new KnownShape(this.#count++, shape, this.#shards);
    let byColumn = this.#byWhere.get(shape.whereText);
    if (byColumn === undefined) {
      byColumn = new Map();
      this.#byWhere.set(shape.whereText, byColumn);
    }
    const list = byColumn.get(shape.column);
    if (list === undefined) byColumn.set(shape.column, [known]);
    else list.push(known);
    return known;
  }
}

function sameColumns(
  columns: readonly string[] | undefined,
  row: Readonly<Record<string, unknown>> | undefined,
): boolean {
  if (columns === undefined || row === undefined) return columns === row;
  let i = 0;
  for (const column in row) if (columns[i++] !== column) return false;
  return i === columns.length;
}
