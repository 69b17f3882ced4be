/**
 * Records, as they lie in a ring. All numbers are little-endian.
 *
 * ```
 * i32 length | u8 type | u8 op | u8 durability | u8 0 | body
 *
 * shape       u32 id | msgpack of a Shape
 * aggregated  u32 shape id | u32 key length | key: batch key, condition values | operand | map key | insert values
 * read        the same up to the key | map key | u32 request id
 * content     text | batch key | u32 count | values
 * put         key | data
 * flush       u32 request id
 * chunk       u32 total length | u32 offset | u32 number of the long record | bytes
 * ```
 *
 * A shape record stands before the first record of its ring that names its id; ids are used again
 * when they have run out, each time with a new shape record. A record that is too long for the ring
 * travels in chunks, one right after the other.
 *
 * Shape definitions and operations go into the log as they are here; chunks go there joined.
 */
export const RecordType = {
  shape: 1,
  aggregated: 2,
  content: 3,
  put: 4,
  read: 5,
  flush: 6,
  chunk: 7,
} as const;

/** Operations by their code: the index. The order never changes. */
export const OPERATIONS = [
  'inc',
  'dec',
  'mul',
  'set',
  'clean',
  'add',
  'del',
  'merge',
  'get',
  'getKey',
] as const;

export type OperationName = (typeof OPERATIONS)[number];

export const OPERATION_CODES: Readonly<Record<OperationName, number>> = {
  inc: 0,
  dec: 1,
  mul: 2,
  set: 3,
  clean: 4,
  add: 5,
  del: 6,
  merge: 7,
  get: 8,
  getKey: 9,
};

/** Where an operation says how durable it is to be: a `DurabilityLevel`. */
export const DURABILITY_AT = 6;
/** Where a record's body begins. */
export const BODY_AT = 8;
export const CHUNK_TOTAL_AT = 8;
export const CHUNK_OFFSET_AT = 12;
export const CHUNK_ID_AT = 16;
/** Where the bytes of a chunk begin. */
export const CHUNK_AT = 20;
/** Where the key of an aggregated record begins. */
export const KEY_AT = 16;
