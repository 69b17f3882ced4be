import { getSystemErrorName } from 'node:util';
import { CHUNK_AT, CHUNK_ID_AT, CHUNK_OFFSET_AT, CHUNK_TOTAL_AT, RecordType } from './codec/record.js';
import type { TaskEncoder } from './codec/task-encoder.js';
import { DurabilityLevel } from './durability.js';
import { LogError } from './error.js';
import { LaneReceipt } from './receipt.js';
import { Fifo } from './ring/fifo.js';
import {
  APPLIED,
  REFUSAL_SEEN,
  REFUSED_ERRNO,
  REFUSED_FROM,
  REFUSED_TO,
  RESTARTS,
  SYNCED,
  TAKEN,
} from './ring/ring-layout.js';
import { RingWriter } from './ring/ring-writer.js';
import type { Reservations } from './shard/reservations.js';
import { type Acknowledgement, WaitingRecord } from './waiting-record.js';

/** How far a lane was when the thread of its shard died, each counted mod 2^32. */
export interface LaneFate {
  readonly taken: number;
  readonly applied: number;
  readonly synced: number;
}

interface Waiter {
  position: number;
  level: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * The way from one producer to one shard. An operation goes
 *
 * ```
 * waiting (no room) ─▶ written (in the ring) ─▶ taken (acknowledged, or refused by the log) ─▶ applied (committed)
 * ```
 *
 * Positions count the operations of this lane from 1; each of the stages keeps their order.
 */
export class Lane {
  readonly shard: number;
  written = 0;
  taken = 0;
  applied = 0;
  /** Up to here, all that are logged are on disk. */
  synced = 0;
  /** Records were written since the shard was last woken. */
  dirty = false;
  /** The first waiting operation waits for others to be committed, not for room in the ring. */
  blockedByPending = false;
  failure: Error | undefined;
  /** A refusal was seen since the shard was last woken: it waits for that before it reads on. */
  sawRefusal = false;
  readonly #ring: RingWriter;
  readonly #words: Int32Array;
  readonly #waiting = new Fifo<WaitingRecord>();
  readonly #acknowledgements = new Fifo<Acknowledgement>();
  /** Of these, the ones that it takes a sync for. */
  #syncs = 0;
  /** Deaths of the shard's thread that this lane has heard of, mod 2^32: it hears of each since its ring is open. */
  #restarts = 0;
  #commitWaiters: Waiter[] = [];
  #syncWaiters: Waiter[] = [];
  /** Records that went into the ring in chunks, or have begun to. */
  #longRecords = 0;
  /** Operations without a log that were lost with their thread. */
  readonly #lost: { from: number; to: number; error: Error }[] = [];

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

  get waitsForSync(): boolean {
    return this.#syncs > 0;
  }

  get waitsForCommit(): boolean {
    return this.#commitWaiters.length > 0 || this.#syncWaiters.length > 0 || this.blockedByPending;
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
    if (acknowledgement.level === DurabilityLevel.always) this.#syncs += 1;
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
  advance(reservations: Reservations): boolean {
    let wrote = false;
    this.blockedByPending = false;
    for (let record = this.#waiting.peek(); record !== undefined; record = this.#waiting.peek()) {
      if (record.isDropped) {
        if (record.reserved) reservations.cancel(record.units);
        this.#waiting.shift();
        continue;
      }
      const { acknowledgement } = record;
      if (acknowledgement !== undefined && !record.reserved) {
        if (!reservations.reserve(acknowledgement.units)) {
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

  /**
   * Takes notice of what the shard published. True: something new. After the shard's thread died that waits
   * for `restarted`: what the next thread publishes must not pass for the fate of what was lost.
   */
  refresh(): boolean {
    const words = this.#words;
    if (this.#isBehind) return false;
    return this.#reach(Atomics.load(words, TAKEN), Atomics.load(words, APPLIED), Atomics.load(words, SYNCED));
  }

  /** Whether `refresh` would find something new. */
  hasNews(): boolean {
    return (
      !this.#isBehind &&
      (((Atomics.load(this.#words, TAKEN) - this.taken) | 0) > 0 ||
        ((Atomics.load(this.#words, APPLIED) - this.applied) | 0) > 0 ||
        ((Atomics.load(this.#words, SYNCED) - this.synced) | 0) > 0)
    );
  }

  get #isBehind(): boolean {
    return Atomics.load(this.#words, RESTARTS) !== this.#restarts;
  }

  #reach(taken: number, applied: number, synced: number): boolean {
    const moreTaken = (taken - this.taken) | 0;
    const moreApplied = (applied - this.applied) | 0;
    const moreSynced = (synced - this.synced) | 0;
    if (moreTaken > 0) this.#acknowledge(moreTaken);
    if (moreApplied > 0) this.applied += moreApplied;
    if (moreSynced > 0) this.synced += moreSynced;
    if (moreApplied > 0 || moreSynced > 0) {
      this.#commitWaiters = settle(this.#commitWaiters, this.applied);
      this.#syncWaiters = settle(this.#syncWaiters, Math.max(this.applied, this.synced));
    }
    return moreTaken > 0 || moreApplied > 0 || moreSynced > 0;
  }

  /** Resolves when the operation at `position` is committed. */
  whenApplied(position: number, level: number): Promise<void> {
    if (level === DurabilityLevel.off) {
      const lost = this.#lost.find(({ from, to }) => position >= from && position <= to);
      if (lost !== undefined) return Promise.reject(lost.error);
    }
    if (position <= this.applied) return Promise.resolve();
    return this.#wait(this.#commitWaiters, position, level);
  }

  /** Resolves when the operation at `position`, which is in the log, is on disk there or committed. */
  whenSynced(position: number): Promise<void> {
    if (position <= Math.max(this.synced, this.applied)) return Promise.resolve();
    return this.#wait(this.#syncWaiters, position, DurabilityLevel.interval);
  }

  /**
   * Another thread takes the place of the shard's, which came as far as `fate`: what was acknowledged without
   * a log and is not committed is lost. To be called once for each death, in their order.
   */
  restarted({ taken, applied, synced }: LaneFate, error: Error): void {
    this.#reach(taken, applied, synced);
    this.#restarts = (this.#restarts + 1) | 0;
    if (this.taken <= this.applied) return;
    const lost = { from: this.applied + 1, to: this.taken, error };
    this.#lost.push(lost);
    this.#commitWaiters = this.#commitWaiters.filter(({ position, level, reject }) => {
      if (level !== DurabilityLevel.off || position > lost.to) return true;
      reject(error);
      return false;
    });
  }

  /**
   * Every call that waits for the shard rejects, and every later one. With `reservations` the shard is gone:
   * what is in the ring is taken by nobody. Without, it may still be taken. Returns how many operations were
   * not taken.
   */
  fail(error: Error, reservations: Reservations | undefined): number {
    this.refresh();
    this.failure = error;
    this.blockedByPending = false;
    for (let record = this.#waiting.shift(); record !== undefined; record = this.#waiting.shift()) {
      if (record.reserved) reservations?.cancel(record.units);
      record.acknowledgement?.reject(error);
    }
    for (
      let each = this.#acknowledgements.shift();
      each !== undefined;
      each = this.#acknowledgements.shift()
    ) {
      reservations?.cancel(each.units);
      each.reject(error);
    }
    this.#syncs = 0;
    for (const waiter of this.#commitWaiters.splice(0)) waiter.reject(error);
    for (const waiter of this.#syncWaiters.splice(0)) waiter.reject(error);
    return this.written - this.taken;
  }

  #acknowledge(news: number): void {
    const words = this.#words;
    const refusedTo = Atomics.load(words, REFUSED_TO);
    const isRefusing = refusedTo !== Atomics.load(words, REFUSAL_SEEN);
    for (; news > 0; news--) {
      this.taken += 1;
      const acknowledgement = this.#acknowledgements.shift();
      if (acknowledgement?.level === DurabilityLevel.always) this.#syncs -= 1;
      if (isRefusing && this.#isRefused(refusedTo)) acknowledgement?.reject(this.#refusal());
      else acknowledgement?.resolve(new LaneReceipt(this, this.taken, acknowledgement.level));
    }
    if (isRefusing && ((this.taken - refusedTo) | 0) >= 0) {
      Atomics.store(words, REFUSAL_SEEN, refusedTo);
      this.sawRefusal = true;
    }
  }

  /** Whether the operation taken last is one of those that could not be logged. */
  #isRefused(to: number): boolean {
    const from = Atomics.load(this.#words, REFUSED_FROM);
    return ((this.taken - from) | 0) >= 0 && ((to - this.taken) | 0) >= 0;
  }

  #refusal(): LogError {
    const errno = Atomics.load(this.#words, REFUSED_ERRNO);
    const code = getSystemErrorName(errno);
    const cause = Object.assign(new Error(`write-ahead log: ${code}`), { errno, code });
    return new LogError(`the log of shard ${this.shard} cannot be written (${code}): the write was refused`, {
      cause,
    });
  }

  #wait(waiters: Waiter[], position: number, level: number): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      waiters.push({ position, level, resolve, reject });
      this.#onCommitWaiter();
    });
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
    if (record.sentBytes === 0) this.#longRecords += 1;
    while (record.sentBytes < length) {
      const count = bytes.copy(chunk, CHUNK_AT, record.sentBytes);
      chunkWords[0] = CHUNK_AT + count;
      chunkWords[1] = RecordType.chunk;
      chunkWords[CHUNK_TOTAL_AT >> 2] = length;
      chunkWords[CHUNK_OFFSET_AT >> 2] = record.sentBytes;
      chunkWords[CHUNK_ID_AT >> 2] = this.#longRecords;
      if (!ring.tryWrite(chunkWords)) return false;
      record.sentBytes += count;
    }
    return true;
  }
}

/** Resolves those up to `position`; returns the others. */
function settle(waiters: Waiter[], position: number): Waiter[] {
  if (waiters.length === 0) return waiters;
  const later: Waiter[] = [];
  for (const waiter of waiters) {
    if (waiter.position <= position) waiter.resolve();
    else later.push(waiter);
  }
  return later;
}
