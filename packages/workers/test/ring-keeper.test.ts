import { expect, test } from 'vitest';
import { LongRecords } from '../dist/codec/long-records.js';
import { CHUNK_AT, CHUNK_ID_AT, CHUNK_OFFSET_AT, CHUNK_TOTAL_AT } from '../dist/codec/record.js';
import { RingKeeper } from '../dist/shard/ring-keeper.js';

/** The record with this number, all of whose bytes are its number, in chunks of at most ten bytes. */
function chunksOf(id: number, total: number): Buffer[] {
  return Array.from({ length: Math.ceil(total / 10) }, (_, i) => {
    const chunk = Buffer.alloc(CHUNK_AT + Math.min(10, total - i * 10), id);
    chunk.writeUInt32LE(id, CHUNK_ID_AT);
    chunk.writeUInt32LE(total, CHUNK_TOTAL_AT);
    chunk.writeUInt32LE(i * 10, CHUNK_OFFSET_AT);
    return chunk;
  });
}

test('whichever chunks are read again by a thread that takes over, each long record becomes whole once', () => {
  const chunks = [chunksOf(1, 35), chunksOf(2, 12), chunksOf(3, 20)].flat();
  const wholes = [35, 12, 20].map((length, i) => Buffer.alloc(length, i + 1));
  // The first thread acknowledges `released` chunks and dies when it has read `read` of them.
  for (let released = 0; released <= chunks.length; released++) {
    for (let read = released; read <= chunks.length; read++) {
      const keeper = new RingKeeper();
      const joined: Buffer[] = [];
      const first = new LongRecords([], (record) =>
        keeper.note({ type: 'ring:record:begun', producer: 0, record }),
      );
      for (const [i, chunk] of chunks.slice(0, read).entries()) {
        const record = first.join(chunk, 0, chunk.length);
        if (i >= released) continue; // read, not acknowledged
        if (record !== undefined) joined.push(record);
        const id = first.takeJoined();
        if (id !== undefined) keeper.note({ type: 'ring:record:taken', producer: 0, id });
      }
      const second = new LongRecords(keeper.begun, (record) =>
        keeper.note({ type: 'ring:record:begun', producer: 0, record }),
      );
      for (const chunk of chunks.slice(released)) {
        const record = second.join(chunk, 0, chunk.length);
        if (record !== undefined) joined.push(record);
      }
      expect(joined.map((record) => Buffer.from(record))).toEqual(wholes);
      keeper.note({ type: 'ring:record:taken', producer: 0, id: second.takeJoined() ?? 3 });
      expect(keeper.begun).toEqual([]);
    }
  }
});
