import type { LongRecord } from '../codec/long-records.js';

/** What a shard's thread tells of a ring while it reads it. */
export type RingNotice =
  /** A shape was defined. */
  | { type: 'ring:shape:defined'; producer: number; id: number; record: Uint8Array }
  /** The first chunk of a long record was read. */
  | { type: 'ring:record:begun'; producer: number; record: LongRecord }
  /** This long record and those before it are taken: their chunks will not be read again. */
  | { type: 'ring:record:taken'; producer: number; id: number };

/**
 * What was read from a ring and cannot be read there again, for a thread that takes the place of the shard's:
 * the shapes that it defined, and long records of which chunks have come in.
 */
export class RingKeeper {
  readonly #definitions: Uint8Array[] = [];
  /** In the order in which they began. */
  readonly #begun = new Map<number, LongRecord>();

  get definitions(): readonly Uint8Array[] {
    return this.#definitions.filter((record) => record !== undefined);
  }

  get begun(): readonly LongRecord[] {
    return [...this.#begun.values()];
  }

  note(notice: RingNotice): void {
    switch (notice.type) {
      case 'ring:shape:defined':
        this.#definitions[notice.id] = notice.record;
        return;
      case 'ring:record:begun':
        this.#begun.set(notice.record.id, notice.record);
        return;
      case 'ring:record:taken':
        if (!this.#begun.has(notice.id)) return;
        for (const id of this.#begun.keys()) {
          this.#begun.delete(id);
          if (id === notice.id) return;
        }
    }
  }
}
