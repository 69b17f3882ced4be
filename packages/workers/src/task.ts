/**
 * A task is a plain frozen description of one database write (or of one read of an aggregated
 * column). `text` and `values` run it on its own; the other fields let a shard fold many into one.
 */
export type Task = ContentTask | CounterTask | SliceTask | MapTask | PutTask;

/** What `cacheAndPeriodicStore` takes: everything that writes. */
export type WriteTask = Task;

/** A condition as the builder was given it, with its text cut at the placeholders. */
export interface Where {
  /** As written, placeholders as `?`. Part of the identity of a group. */
  readonly text: string;
  /** `text` cut at its placeholders (`??` resolved): `parts.length === values.length + 1`. */
  readonly parts: readonly string[];
  readonly values: readonly unknown[];
}

interface Statement {
  /** PostgreSQL text with `$1…$n`. */
  readonly text: string;
  readonly values: readonly unknown[];
  /** Tasks with one batch key keep their order. Undefined: table, where text and where values. */
  readonly batchKey: string | undefined;
}

/** An SQL statement of the caller's. Never merged; a newer one with its batch key and text replaces it. */
export interface ContentTask extends Statement {
  readonly kind: 'content';
}

interface Aggregated extends Statement {
  /** As given: `name` or `schema.name`, validated but not quoted. */
  readonly table: string;
  /** As given, validated but not quoted. */
  readonly column: string;
  readonly where: Where;
  /** Columns of the row to insert first when the condition matches none. */
  readonly orInsert: Readonly<Record<string, unknown>> | undefined;
}

/** A number as the fold takes it: `number` only for safe integers, else a bigint or plain decimal text. */
export type Operand = number | bigint | string;

export interface CounterTask extends Aggregated {
  readonly kind: 'counter';
  readonly op: 'inc' | 'dec' | 'mul' | 'set' | 'clean';
  /** Undefined only for `clean`. */
  readonly operand: Operand | undefined;
}

export interface SliceTask extends Aggregated {
  readonly kind: 'slice';
  readonly op: 'add' | 'del' | 'clean';
  /** JSON text; undefined only for `clean`. */
  readonly operand: string | undefined;
}

export interface MapTask extends Aggregated {
  readonly kind: 'map';
  readonly op: 'set' | 'del' | 'merge' | 'clean';
  /** For `set` and `del`. */
  readonly key: string | undefined;
  /** JSON text, for `set` and `merge` (there an object). */
  readonly operand: string | undefined;
}

/** The write of a call without a task: the engine's own table `zmsg_data`, newest value wins. */
export interface PutTask extends Statement {
  readonly kind: 'put';
  readonly key: string;
  readonly data: Uint8Array;
}

/** A read of an aggregated column that also sees what is pending for it in this node. */
export interface ReadTask extends Aggregated {
  readonly kind: 'counter' | 'slice' | 'map';
  readonly op: 'get' | 'getKey';
  /** For `getKey`. */
  readonly key: string | undefined;
}
