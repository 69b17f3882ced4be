import type { Operand } from './task.js';

/** What aggregated tasks have in common, interned: one object per shard for each distinct one. */
export interface Shape {
  readonly kind: 'counter' | 'slice' | 'map';
  readonly table: string;
  readonly column: string;
  readonly whereText: string;
  readonly whereParts: readonly string[];
  /** Columns of `orInsert` in the order of its values; undefined: no insert. */
  readonly insertColumns: readonly string[] | undefined;
}

export interface OperationValues {
  /** Given by the caller, or undefined: then the shape's table and condition stand for it. */
  readonly batchKey: string | undefined;
  readonly whereValues: readonly unknown[];
  readonly insertValues: readonly unknown[] | undefined;
}

/** One counter, slice or map operation as a shard folds it. */
export interface AggregatedOperation {
  readonly kind: 'aggregated';
  readonly shape: Shape;
  readonly op: 'inc' | 'dec' | 'mul' | 'set' | 'clean' | 'add' | 'del' | 'merge';
  /** Counter: a number. Slice and map: JSON text. Undefined for `clean`, and for `del` of a map. */
  readonly operand: Operand | undefined;
  /** Key of a map's `set` and `del`. */
  readonly key: string | undefined;
  /**
   * The encoded batch key and where values: equal strings of one shape mean the same group, so a
   * known group is found without decoding the values.
   */
  readonly rawKey: string;
  values(): OperationValues;
}

export interface ContentOperation {
  readonly kind: 'content';
  readonly text: string;
  readonly values: readonly unknown[];
  /** Undefined: every one runs, in the order of its producer. */
  readonly batchKey: string | undefined;
  readonly producer: number;
}

export interface PutOperation {
  readonly kind: 'put';
  readonly key: string;
  readonly data: Uint8Array;
}

/** What comes out of a ring. */
export type Operation = AggregatedOperation | ContentOperation | PutOperation;
