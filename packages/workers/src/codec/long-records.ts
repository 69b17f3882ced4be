import { CHUNK_AT, CHUNK_ID_AT, CHUNK_OFFSET_AT, CHUNK_TOTAL_AT } from './record.js';

/** A record of which chunks have come in. */
export interface LongRecord {
  readonly id: number;
  readonly memory: SharedArrayBuffer;
}

/**
 * Joins the chunks of the records that are too long for their ring. The ring gives the room of a chunk back
 * before the record is whole, so what came in is in shared memory that outlives the shard's thread: the next
 * one goes on with it. A chunk that is read again overwrites itself.
 */
export class LongRecords {
  readonly #memories: Map<number, SharedArrayBuffer>;
  readonly #onBegun: (record: LongRecord) => void;
  /** The one that was joined last. */
  #joined: number | undefined;

  /** @param begun by an earlier thread */
  constructor(begun: readonly LongRecord[], onBegun: (record: LongRecord) => void) {
    this.#memories = new Map(begun.map(({ id, memory }) => [id, memory]));
    this.#onBegun = onBegun;
  }

  /** Takes in the chunk that is `bytes[start…end)`. The whole record, if that was its last one. */
  join(bytes: Buffer, start: number, end: number): Buffer | undefined {
    const id = bytes.readUInt32LE(start + CHUNK_ID_AT);
    const total = bytes.readUInt32LE(start + CHUNK_TOTAL_AT);
    const offset = bytes.readUInt32LE(start + CHUNK_OFFSET_AT);
    const record = Buffer.from(this.#memoryOf(id, total, offset));
    const copied = bytes.copy(record, offset, start + CHUNK_AT, end);
    if (offset + copied < total) return undefined;
    this.#memories.delete(id);
    this.#joined = id;
    return record;
  }

  /** The id of the last one that was joined since the last call. */
  takeJoined(): number | undefined {
    const id = this.#joined;
    this.#joined = undefined;
    return id;
  }

  #memoryOf(id: number, total: number, offset: number): SharedArrayBuffer {
    const known = this.#memories.get(id);
    if (known !== undefined) return known;
    if (offset !== 0) throw new RangeError(`the begin of long record ${id} is missing`);
    const memory = new SharedArrayBuffer(total);
    this.#memories.set(id, memory);
    this.#onBegun({ id, memory });
    return memory;
  }
}
