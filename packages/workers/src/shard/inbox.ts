import type { MessagePort } from 'node:worker_threads';
import { type Decoded, RecordDecoder } from '../codec/record-decoder.js';
import { errorRecord, type Reply } from '../codec/reply.js';
import type { ShapeInterner } from '../codec/shape-interner.js';
import { ProducerBell } from '../ring/producer-bell.js';
import { RingReader } from '../ring/ring-reader.js';

/** Registers a producer's ring with a shard. */
export interface InboxHandle {
  producer: number;
  ring: SharedArrayBuffer;
  bell: SharedArrayBuffer;
  port: MessagePort;
}

/** Bytes read in one go, so that one producer's flood does not keep the others waiting. */
const READ_BYTES = 1 << 20;

/** The shard's end of one producer: its ring, and the way back. */
export class Inbox {
  /** Operations that came out of the ring, ever. */
  taken = 0;
  /** Operations of these that are in the aggregator or further. */
  folded = 0;
  readonly #reader: RingReader;
  readonly #decoder: RecordDecoder;
  readonly #bell: ProducerBell;
  readonly #port: MessagePort;

  constructor(handle: InboxHandle, interner: ShapeInterner) {
    this.#reader = new RingReader(handle.ring);
    this.#decoder = new RecordDecoder(handle.producer, interner);
    this.#bell = new ProducerBell(handle.bell);
    this.#port = handle.port;
    this.#port.unref();
  }

  hasRecords(): boolean {
    return this.#reader.hasRecords();
  }

  /**
   * Hands over what is in the ring, in its order. The operations are acknowledged by `acknowledge`,
   * when they are held elsewhere. Returns the bytes read.
   */
  read(visit: (decoded: Decoded, inbox: Inbox) => void): number {
    return this.#reader.read(READ_BYTES, (bytes, start, end) => {
      const decoded = this.#decoder.decode(bytes, start, end);
      if (decoded !== undefined) visit(decoded, this);
    });
  }

  /** Gives back the ring's space and tells the producer that `count` more operations are taken. */
  acknowledge(count: number): void {
    this.#reader.release();
    this.taken += count;
    this.#reader.publishTaken(this.taken);
    this.#bell.taken(count);
  }

  /** Publishes that the first `position` operations are committed. */
  applied(position: number): void {
    this.#reader.publishApplied(position);
  }

  /** Wakes the producer if it waits for a commit. */
  announceCommit(): void {
    this.#bell.committed();
  }

  reply(requestId: number, value: unknown): void {
    this.#post({ requestId, value });
  }

  fail(requestId: number, error: unknown): void {
    this.#post({ requestId, error: errorRecord(error) });
  }

  close(): void {
    this.#port.close();
  }

  #post(reply: Reply): void {
    this.#port.postMessage(reply);
  }
}
