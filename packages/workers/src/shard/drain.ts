import type { Decoded } from '../codec/record-decoder.js';
import { DurabilityLevel } from '../durability.js';
import { LogError } from '../error.js';
import { failpoint } from '../failpoint.js';
import type { ShardLog } from '../log/shard-log.js';
import { type Board, unitsOf } from './board.js';
import type { Inbox } from './inbox.js';
import { type Intake, PASSED, type Passed } from './intake.js';
import type { ReadQueue } from './read-queue.js';

export interface DrainParts {
  readonly shard: number;
  readonly board: Board;
  readonly log: ShardLog;
  readonly intake: Intake;
  readonly reads: ReadQueue;
  /** What was taken is counted, and about to be acknowledged. */
  readonly onTaken: () => void;
  /** The log took nothing; `operations` were refused. */
  readonly onLogFailed: (error: LogError, operations: number) => void;
}

/** What one inbox gave in one drain. */
interface Share {
  readonly inbox: Inbox;
  /** Where its part of `#decoded` begins. */
  readonly from: number;
  operations: number;
  units: number;
  /** Of these, operations that were read from the log before. */
  known: number;
  knownUnits: number;
  volatile: number;
  isLogged: boolean;
}

/** Beyond, steps join: then a count goes down later, never too early. */
const MAX_STEPS = 256;

/** The errno of a failure that has none: EIO. */
const UNKNOWN_ERRNO = -5;

/**
 * The way of an operation into the shard:
 *
 * ```
 * rings ─▶ log (one write for all rings, one fdatasync if one of them asks for it) ─▶ intake ─▶ acknowledge
 *           └ failed: the operations are refused, none of them is folded
 * ```
 *
 * A position is given once, also to an operation that is refused then, or not logged.
 */
export class Drain {
  /** Of the operation that came last. */
  position = 0;
  /** Operations that the last run acknowledged. */
  operations = 0;
  readonly #pending = new Tally();
  readonly #volatile = new Tally();
  readonly #unsynced = new Tally();
  readonly #parts: DrainParts;
  #decoded: (Decoded | Passed)[] = [];
  #units: number[] = [];
  #shares: Share[] = [];
  #level: number = DurabilityLevel.off;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** Acknowledged operations that are neither in the log nor committed. */
  get volatileOperations(): number {
    return this.#volatile.count;
  }

  /** Acknowledged operations that are in the log, but neither on disk nor committed. */
  get unsyncedOperations(): number {
    return this.#unsynced.count;
  }

  /** When the oldest operation that is not committed came, on the clock of `performance.now`. */
  get oldestAt(): number | undefined {
    return this.#pending.oldestAt;
  }

  /** Goes on behind `position`, with operations that were read from the log. */
  startAt(position: number, recovered: number): void {
    this.position = position;
    this.#pending.add(recovered, position);
  }

  /** Everything in the log is on disk. */
  synced(): void {
    this.#unsynced.settle(this.position);
  }

  /** Everything up to `position` is committed. */
  committed(position: number): void {
    this.#pending.settle(position);
    this.#volatile.settle(position);
    this.#unsynced.settle(position);
  }

  /** False: nothing was there. */
  run(inboxes: readonly Inbox[]): boolean {
    let first = this.position;
    this.operations = 0;
    for (const inbox of inboxes) {
      const share: Share = {
        inbox,
        from: this.#decoded.length,
        operations: 0,
        units: 0,
        known: 0,
        knownUnits: 0,
        volatile: 0,
        isLogged: false,
      };
      const bytes = inbox.read((decoded) => this.#read(decoded, share));
      if (bytes > 0) this.#shares.push(share);
    }
    if (this.#shares.length === 0) return false;
    const error = this.#log();
    for (const [i, share] of this.#shares.entries()) {
      const to = this.#shares[i + 1]?.from ?? this.#decoded.length;
      const isRefused = error !== undefined && share.isLogged;
      this.#deliver(share, to, first, isRefused);
      first += share.operations;
      if (!isRefused) this.#count(share);
    }
    this.#parts.onTaken();
    for (const share of this.#shares) {
      if (error !== undefined && share.isLogged) this.#refuse(share, error);
      else this.#acknowledge(share);
    }
    failpoint('shard:batch:acknowledged');
    this.#decoded = [];
    this.#units = [];
    this.#shares = [];
    return true;
  }

  /** An operation that an earlier thread logged, but did not come to acknowledge, is in the intake already. */
  #read(decoded: Decoded, share: Share): void {
    const { inbox } = share;
    const { decoder } = inbox;
    failpoint('shard:operation:decoded');
    this.#decoded.push(decoded);
    if (decoded.kind === 'read' || decoded.kind === 'flush') {
      if (decoded.kind === 'read') this.#parts.reads.push(decoded, inbox);
      this.#units.push(0);
      return;
    }
    const { bytes, start, end, level } = decoder;
    const units = unitsOf(end - start);
    this.#units.push(units);
    this.position += 1;
    share.operations += 1;
    share.units += units;
    if (level === DurabilityLevel.off) {
      share.volatile += 1;
      return;
    }
    if (inbox.isLogged) {
      // It is pending twice now: as read from the log, and by its producer.
      const { board, shard } = this.#parts;
      board.settle(shard, 1, units);
      this.#decoded[this.#decoded.length - 1] = PASSED;
      share.known += 1;
      share.knownUnits += units;
      return;
    }
    share.isLogged = true;
    if (level > this.#level) this.#level = level;
    this.#parts.log.append({
      producer: inbox.producer,
      position: this.position,
      ringAt: inbox.ringAt,
      taken: (inbox.taken + share.operations) | 0,
      bytes,
      start,
      end,
      definition: decoder.definition,
    });
  }

  #log(): LogError | undefined {
    if (!this.#shares.some((share) => share.isLogged)) return undefined;
    const level = this.#level;
    this.#level = DurabilityLevel.off;
    try {
      this.#parts.log.write();
      if (level === DurabilityLevel.always) this.#parts.log.sync();
      return undefined;
    } catch (error) {
      if (error instanceof LogError) return error;
      throw error;
    }
  }

  /** Reads and flushes go their way even if the operations beside them are refused. */
  #deliver({ inbox, from }: Share, to: number, position: number, isRefused: boolean): void {
    const { intake } = this.#parts;
    let count = inbox.taken;
    let at = position;
    for (let i = from; i < to; i++) {
      const decoded = this.#decoded[i] as Decoded | Passed;
      const isOperation = decoded.kind !== 'read' && decoded.kind !== 'flush';
      if (isOperation) {
        count = (count + 1) | 0;
        at += 1;
      }
      intake.take(isOperation && isRefused ? PASSED : decoded, inbox, count, at, this.#units[i] as number);
    }
  }

  #count({ operations, known, volatile }: Share): void {
    this.operations += operations - known;
    this.#pending.add(operations - known, this.position);
    this.#volatile.add(volatile, this.position);
    if (!this.#isSynced) this.#unsynced.add(operations - known - volatile, this.position);
  }

  #acknowledge({ inbox, operations, units }: Share): void {
    if (this.#isSynced) inbox.synced(operations);
    inbox.acknowledge(operations, units);
  }

  get #isSynced(): boolean {
    return this.#parts.log.synced === this.#parts.log.written;
  }

  #refuse({ inbox, operations, known, units, knownUnits }: Share, error: LogError): void {
    const { errno } = (error.cause ?? {}) as { errno?: number };
    const { board, shard } = this.#parts;
    board.settle(shard, operations - known, units - knownUnits);
    inbox.acknowledge(operations, units, typeof errno === 'number' ? errno : UNKNOWN_ERRNO);
    this.#parts.onLogFailed(error, operations);
  }
}

/** Operations that came up to a position, until something has settled them. In steps: a gauge. */
class Tally {
  count = 0;
  #steps: { position: number; count: number; at: number }[] = [];

  get oldestAt(): number | undefined {
    return this.#steps[0]?.at;
  }

  add(count: number, position: number): void {
    if (count === 0) return;
    this.count += count;
    const last = this.#steps.at(-1);
    if (last !== undefined && this.#steps.length >= MAX_STEPS) {
      last.position = position;
      last.count += count;
    } else this.#steps.push({ position, count, at: performance.now() });
  }

  settle(position: number): void {
    let settled = 0;
    for (const step of this.#steps) {
      if (step.position > position) break;
      this.count -= step.count;
      settled += 1;
    }
    if (settled > 0) this.#steps.splice(0, settled);
  }
}
