import { writeSync } from 'node:fs';
import { packKind, RECORD_BYTES, RECORD_DOUBLES, RECORD_KINDS, type RecordKind } from './audit-record.js';

/** The descriptor of the pipe that the bench gave to this process. */
const RECORD_FD = 3;
const MAX_RECORDS = 2_048;
const KIND_NUMBERS = Object.fromEntries(RECORD_KINDS.map((kind, at) => [kind, at])) as Record<
  RecordKind,
  number
>;

/** A node's side of the history. What was flushed is with the bench, whatever happens to this process next. */
export class RecordWriter {
  readonly #records = new Float64Array(MAX_RECORDS * RECORD_DOUBLES);
  readonly #bytes = new Uint8Array(this.#records.buffer);
  #count = 0;

  add(kind: RecordKind, key: number, write: number, first: number, second = 0): void {
    if (this.#count === MAX_RECORDS) this.flush();
    const at = this.#count * RECORD_DOUBLES;
    this.#records[at] = packKind(KIND_NUMBERS[kind], key);
    this.#records[at + 1] = write;
    this.#records[at + 2] = first;
    this.#records[at + 3] = second;
    this.#count += 1;
  }

  /** Returns when all is in the pipe. */
  flush(): void {
    const length = this.#count * RECORD_BYTES;
    for (let sent = 0; sent < length; ) {
      try {
        sent += writeSync(RECORD_FD, this.#bytes, sent, length - sent);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue;
        process.exit(1); // the bench is gone
      }
    }
    this.#count = 0;
  }
}
