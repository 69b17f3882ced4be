import { CHUNK_AT, RecordType } from './codec/record.js';
import type { TaskEncoder } from './codec/task-encoder.js';
import { LaneReceipt } from './receipt.js';
import { Fifo } from './ring/fifo.js';
import { APPLIED, TAKEN } from './ring/ring-layout.js';
import { RingWriter } from './ring/ring-writer.js';
import type { Board } from './shard/board.js';
import { type Acknowledgement, WaitingRecord } from './waiting-record.js';

interface CommitWaiter {
  position: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * The way from one producer to one shard. An operation goes
 *
 * ```
 * waiting (no room) ─▶ written (in the ring) ─▶ taken (acknowledged) ─▶ applied (committed)
 * ```
 *
 * Positions count the operations of this lane from 1; each of the stages keeps their order.
 */
export class Lane {
  readonly shard: number;
  written = 0;
  taken = 0;
  applied = 0;
  /** Records were written since the shard was last woken. */
  dirty = false;
  /** The first waiting operation waits for others to be committed, not for room in the ring. */
  blockedByPending = false;
  failure: Error | undefined;
  readonly #ring: RingWriter;
  readonly #words: Int32Array;
  readonly #waiting = new Fifo<WaitingRecord>();
  readonly #acknowledgements = new Fifo<Acknowledgement>();
  #commitWaiters: CommitWaiter[] = [];

  readonly #onCommitWaiter: () => void;

  /** @param onCommitWaiter called when someone begins to wait for a commit. */
  constructor(shard: number, memory: SharedArrayBuffer, onCommitWaiter: () => void) {
    this.shard = shard;
    this.#onCommitWaiter = onCommitWaiter;
    this.#ring = new RingWriter(memory);
    this.#words = new Int32Array(memory);
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get waitsForTaken(): boolean {
    return this.#acknowledgements.length > 0 || this.#waiting.length > 0;
  }

  get waitsForCommit(): boolean {
    return this.#commitWaiters.length > 0 || this.blockedByPending;
  }

  get isIdle(): boolean {
    return this.applied === this.written && this.#waiting.length === 0;
  }

  /** Whether the record travels in chunks. */
  isLong(encoder: TaskEncoder): boolean {
    const max = this.#ring.maxRecordBytes;
    return (
      encoder.recordBytes > max || (encoder.shape !== undefined && encoder.shape.record.byteLength > max)
    );
  }

  /** Writes the encoder's record and, if needed, its shape before it. False: nothing was written. */
  tryWrite(encoder: TaskEncoder): boolean {
    if (this.#waiting.length > 0 || this.isLong(encoder)) return false;
    const { shape } = encoder;
    if (shape !== undefined && shape.definedIn[this.shard] === 0) {
      if (!this.#ring.hasRoom(shape.record.byteLength + encoder.recordBytes + 3)) return false;
      this.#ring.tryWrite(shape.record);
      shape.definedIn[this.shard] = 1;
    }
    return this.#ring.tryWrite(encoder.record);
  }

  /** The record that was just written is an operation. */
  expect(acknowledgement: Acknowledgement): void {
    this.written += 1;
    this.#acknowledgements.push(acknowledgement);
  }

  /** Puts a copy of the encoder's record behind those that wait. */
  enqueue(encoder: TaskEncoder, acknowledgement: Acknowledgement | undefined): void {
    const { shape } = encoder;
    if (shape !== undefined && shape.definedIn[this.shard] === 0) {
      // By itself, so that it goes in even if the operation's call is aborted: others count on it.
      this.#waiting.push(new WaitingRecord(shape.record, undefined));
      shape.definedIn[this.shard] = 1;
    }
    this.#waiting.push(new WaitingRecord(encoder.copyRecord(), acknowledgement));
  }

  /** Writes waiting records while there is room. True: at least one byte was written. */
  advance(board: Board, pendingMax: number): boolean {
    let wrote = false;
    this.blockedByPending = false;
    for (let record = this.#waiting.peek(); record !== undefined; record = this.#waiting.peek()) {
      if (record.isDropped) {
        if (record.reserved) board.settle(1);
        this.#waiting.shift();
        continue;
      }
      const { acknowledgement } = record;
      if (acknowledgement !== undefined && !record.reserved) {
        if (!board.reserve(pendingMax)) {
          this.blockedByPending = true;
          return wrote;
        }
        record.reserved = true;
      }
      const before = record.sentBytes;
      const complete = this.#send(record);
      wrote ||= complete || record.sentBytes > before;
      if (!complete) return wrote;
      this.#waiting.shift();
      if (acknowledgement !== undefined) this.expect(acknowledgement);
    }
    return wrote;
  }

  /** Takes notice of what the shard published. True: something new. */
  refresh(): boolean {
    let progress = false;
    for (let news = (Atomics.load(this.#words, TAKEN) - this.taken) | 0; news > 0; news--) {
      progress = true;
      this.taken += 1;
      this.#acknowledgements.shift()?.resolve(new LaneReceipt(this, this.taken));
    }
    const applied = (Atomics.load(this.#words, APPLIED) - this.applied) | 0;
    if (applied > 0) {
      progress = true;
      this.applied += applied;
      this.#resolveCommits();
    }
    return progress;
  }

  /** Whether `refresh` would find something new. */
  hasNews(): boolean {
    return (
      ((Atomics.load(this.#words, TAKEN) - this.taken) | 0) > 0 ||
      ((Atomics.load(this.#words, APPLIED) - this.applied) | 0) > 0
    );
  }

  /** Resolves when the operation at `position` is committed. */
  whenApplied(position: number): Promise<void> {
    if (position <= this.applied) return Promise.resolve();
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.#commitWaiters.push({ position, resolve, reject });
      this.#onCommitWaiter();
    });
  }

  /**
   * The shard is gone: every call that waits for it rejects. Returns how many operations will now
   * never be taken by it.
   */
  fail(error: Error, board: Board): number {
    this.refresh();
    this.failure = error;
    this.blockedByPending = false;
    let reserved = this.written - this.applied;
    for (let record = this.#waiting.shift(); record !== undefined; record = this.#waiting.shift()) {
      if (record.reserved) reserved += 1;
      record.acknowledgement?.reject(error);
    }
    board.settle(reserved);
    for (
      let each = this.#acknowledgements.shift();
      each !== undefined;
      each = this.#acknowledgements.shift()
    ) {
      each.reject(error);
    }
    for (const waiter of this.#commitWaiters.splice(0)) waiter.reject(error);
    return this.written - this.taken;
  }

  #resolveCommits(): void {
    if (this.#commitWaiters.length === 0) return;
    const later: CommitWaiter[] = [];
    for (const waiter of this.#commitWaiters) {
      if (waiter.position <= this.applied) waiter.resolve();
      else later.push(waiter);
    }
    this.#commitWaiters = later;
  }

  #send(record: WaitingRecord): boolean {
    const ring = this.#ring;
    const { words } = record;
    const length = words[0] as number;
    if (length <= ring.maxRecordBytes) return ring.tryWrite(words);
    if (!ring.hasRoom(ring.maxRecordBytes)) return false;
    const chunk = Buffer.alloc(ring.maxRecordBytes);
    const chunkWords = new Int32Array(chunk.buffer, chunk.byteOffset, chunk.length >> 2);
    const bytes = Buffer.from(words.buffer, words.byteOffset, length);
    while (record.sentBytes < length) {
      const count = bytes.copy(chunk, CHUNK_AT, record.sentBytes);
      chunkWords[0] = CHUNK_AT + count;
      chunkWords[1] = RecordType.chunk;
      chunkWords[2] = length;
      if (!ring.tryWrite(chunkWords)) return false;
      record.sentBytes += count;
    }
    return true;
  }
}
