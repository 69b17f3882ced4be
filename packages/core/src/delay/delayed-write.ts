import { InvalidValueError } from '@zmsg/workers';
import { Packr } from 'msgpackr';
import pg from 'pg';
import { QueueError } from '../error.js';

/** Exported by `pg` since 8.0, missing in its types. */
const { utils } = pg as typeof pg & { utils: { prepareValue(value: unknown): string | Buffer | null } };

/** A write to be applied later. */
export interface DelayedWrite {
  /** A UUID: what makes two deliveries one write. */
  readonly operationId: string;
  /** The cache key that the write is about. */
  readonly key: string;
  /** The key is to leave the caches once more after the write (a reader may have loaded the old row). */
  readonly deleteAfter?: boolean;
  readonly task: {
    /** PostgreSQL text with `$1…$n`. */
    readonly text: string;
    readonly values: readonly unknown[];
  };
}

/*
 * base64( version byte | msgpack [operationId, key, deleteAfter, text, values] )
 *
 * Values are stored as what `pg` would have sent for them (text, bytes or NULL), so that a delayed
 * write and a direct one give PostgreSQL the same parameters: bigint, Date, arrays, JSON and objects
 * with `toPostgres` need no encoding of their own here. base64, since both backends keep JSON.
 */
const VERSION = 1;

/** Of the encoded job, before base64. Both backends hold jobs in memory or in JSONB. */
export const MAX_JOB_BYTES = 64 * 1024 * 1024;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const packr = new Packr({ useRecords: false, moreTypes: false });

/** @throws InvalidValueError for a value that `pg` could not send, or a job that is too large. */
export function encodeDelayedWrite(write: DelayedWrite): string {
  if (!UUID.test(write.operationId)) throw new InvalidValueError('an operation id must be a UUID');
  let values: (string | Buffer | null)[];
  try {
    values = write.task.values.map((value) => wellFormed(utils.prepareValue(value)));
  } catch (error) {
    throw new InvalidValueError('a value of a delayed write cannot be sent to PostgreSQL', { cause: error });
  }
  const body = packr.pack([
    write.operationId,
    write.key,
    write.deleteAfter === true,
    write.task.text,
    values,
  ]);
  if (body.byteLength + 1 > MAX_JOB_BYTES) {
    throw new InvalidValueError(`a delayed write of ${body.byteLength} bytes exceeds ${MAX_JOB_BYTES}`);
  }
  return Buffer.concat([Buffer.from([VERSION]), body]).toString('base64');
}

/** @throws QueueError for what no version up to this one has written. */
export function decodeDelayedWrite(encoded: unknown): DelayedWrite {
  const bytes = Buffer.from(typeof encoded === 'string' ? encoded : '', 'base64');
  if (bytes[0] !== VERSION) {
    throw new QueueError(`a delayed job has the unknown format ${bytes[0] ?? 'of no bytes'}`);
  }
  let fields: unknown;
  try {
    fields = packr.unpack(bytes.subarray(1));
  } catch (error) {
    throw new QueueError('a delayed job is damaged', { cause: error });
  }
  if (!Array.isArray(fields) || fields.length !== 5) throw new QueueError('a delayed job is damaged');
  const [operationId, key, deleteAfter, text, values] = fields as [
    string,
    string,
    boolean,
    string,
    unknown[],
  ];
  return { operationId, key, deleteAfter, task: { text, values } };
}

/** As UTF-8 carries it: msgpack would keep a lone surrogate, `pg` sends U+FFFD. */
function wellFormed(value: string | Buffer | null): string | Buffer | null {
  return typeof value === 'string' ? value.toWellFormed() : value;
}
