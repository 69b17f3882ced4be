import type { MessagePort } from 'node:worker_threads';
import { type LongRecord, LongRecords } from '../codec/long-records.js';
import { type Decoded, RecordDecoder } from '../codec/record-decoder.js';
import { errorRecord, type Reply } from '../codec/reply.js';
import type { ShapeInterner } from '../codec/shape-interner.js';
import { ProducerBell } from '../ring/producer-bell.js';
import { RingReader } from '../ring/ring-reader.js';
import type { RingNotice } from './ring-keeper.js';

/** Registers a producer's ring with a shard. */
export interface InboxHandle {
  producer: number;
  ring: SharedArrayBuffer;
  bell: SharedArrayBuffer;
  port: MessagePort;
  /** Records of the shapes that were defined in this ring before: for a thread that takes another's place. */
  definitions?: readonly Uint8Array[];
  /** Long records of which chunks have come in, for the same. */
  begun?: readonly LongRecord[];
  /** The producer writes no more. @default false */
  isOrphan?: boolean;
}

/** Bytes read in one go, so that one producer's flood does not keep the others waiting. */
const READ_BYTES = 1 << 20;

/** The shard's end of one producer: its ring, and the way back. */
export class Inbox {
  readonly producer: number;
  readonly decoder: RecordDecoder;
  /** Operations that came out of the ring, ever, mod 2^32. */
  taken: number;
  /** Operations of these that are in the aggregator or further. */
  folded: number;
  /** The producer writes no more, and sees nothing any more. */
  isOrphan: boolean;
  readonly #reader: RingReader;
  readonly #bell: ProducerBell;
  readonly #port: MessagePort;
  readonly #longRecords: LongRecords;
  readonly #notify: (notice: RingNotice) => void;
  #isClosed = false;
  /** What is logged up to here of the ring was logged by an earlier thread, which did not get to say so. */
  #loggedUntil: number;

  /**
   * @param tally of the shard: see `Board`
   * @param notify hears of what is read and will not stand in the ring any more, but for what `handle` says
   */
  constructor(
    handle: InboxHandle,
    tally: Int32Array,
    interner: ShapeInterner,
    notify: (notice: RingNotice) => void,
  ) {
    const { producer } = handle;
    this.producer = producer;
    this.isOrphan = handle.isOrphan ?? false;
    this.#reader = new RingReader(handle.ring, tally);
    this.taken = this.#reader.taken;
    this.folded = this.taken;
    let isKnown = true;
    this.#notify = notify;
    this.#longRecords = new LongRecords(handle.begun ?? [], (record) =>
      notify({ type: 'ring:record:begun', producer, record }),
    );
    this.decoder = new RecordDecoder(producer, interner, this.#longRecords, (id, record) => {
      if (!isKnown) notify({ type: 'ring:shape:defined', producer, id, record });
    });
    for (const record of handle.definitions ?? []) {
      const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
      this.decoder.decode(bytes, 0, bytes.length);
    }
    isKnown = false;
    this.#bell = new ProducerBell(handle.bell);
    this.#port = handle.port;
    this.#port.unref();
    this.#loggedUntil = this.#reader.position;
  }

  /** Where the ring stands: behind the record that was handed over last. */
  get ringAt(): number {
    return this.#reader.position;
  }

  hasRecords(): boolean {
    return this.#isHeard && this.#reader.hasRecords();
  }

  /** Nobody is left to be told of refusals. */
  get #isHeard(): boolean {
    return this.isOrphan || this.#reader.isRefusalSeen;
  }

  /**
   * Hands over what is in the ring, in its order; the record's bytes are in `decoder`. The operations
   * are acknowledged by `acknowledge`, when they are held elsewhere. Nothing is read before the producer
   * has seen the last refusal, which the next one would overwrite. Returns the bytes read.
   */
  read(visit: (decoded: Decoded, inbox: Inbox) => void): number {
    if (!this.#isHeard) return 0;
    return this.#reader.read(READ_BYTES, (bytes, start, end) => {
      const decoded = this.decoder.decode(bytes, start, end);
      if (decoded !== undefined) visit(decoded, this);
    });
  }

  /**
   * The log holds operations up to the `taken`th, which ends in the ring at `ringAt`. If an earlier thread did
   * not get to acknowledge them, they are still in the ring. All are counted mod 2^32, so both have to fit:
   * a record of long ago may stand at any place.
   */
  skipLogged(ringAt: number, taken: number): void {
    if (((taken - this.taken) | 0) <= 0 || !this.#reader.isUnread(ringAt)) return;
    if (((ringAt - this.#loggedUntil) | 0) > 0) this.#loggedUntil = ringAt;
  }

  /** Whether the record that was handed over last is in the log already, if it belongs there. */
  get isLogged(): boolean {
    return ((this.#loggedUntil - this.#reader.position) | 0) >= 0;
  }

  /**
   * Gives back the ring's space and tells the producer that `count` more operations, of `units` of memory, are
   * taken; with `errno`, that they could not be logged: then the producer rejects them.
   */
  acknowledge(count: number, units: number, errno?: number): void {
    this.#reader.acknowledge(count, units, errno);
    this.taken = (this.taken + count) | 0;
    this.#bell.taken(count);
    const id = this.#longRecords.takeJoined();
    if (id !== undefined) this.#notify({ type: 'ring:record:taken', producer: this.producer, id });
  }

  /** Publishes that everything logged so far is on disk, `more` operations counted in that are acknowledged next. */
  synced(more = 0): void {
    this.#reader.publishSynced((this.taken + more) | 0);
  }

  /** Publishes that the first `count` operations are committed. */
  applied(count: number): void {
    // An orphan may be forgotten before it is committed: its ring is another producer's by then.
    if (!this.#isClosed) this.#reader.publishApplied(count);
  }

  /** Wakes the producer if it waits for a commit or a sync. */
  announce(): void {
    this.#bell.committed();
  }

  reply(requestId: number, value: unknown): void {
    this.#post({ requestId, value });
  }

  fail(requestId: number, error: unknown): void {
    this.#post({ requestId, error: errorRecord(error) });
  }

  /** From here on nothing is written into its memory. */
  close(): void {
    this.#isClosed = true;
    this.#port.close();
  }

  #post(reply: Reply): void {
    this.#port.postMessage(reply);
  }
}
