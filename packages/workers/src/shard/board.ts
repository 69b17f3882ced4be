const PENDING = 0;
const PERMITS = 1;
const PRESSURE = 2;
const PERMIT_WAITERS = 3;
const UNITS = 4;
const CLOSED = 5;
const HEADER_WORDS = 16;

const STATE = 0;
const BELL = 1;
const SLEEPING = 2;
const PERMIT_HELD = 3;
const PERMIT_AWAITED = 4;
const TALLY = 5;
/** A cache line of its own for each shard. */
const SHARD_WORDS = 16;

/**
 * Words of a producer's account: what its thread ever counted on the board and did not take back, for whoever
 * tidies up after the thread. `ticket` says whose account it is, and that no thread uses it yet.
 */
export const Account = { operations: 0, units: 1, presses: 2, ticket: 3 } as const;
export const ACCOUNT_BYTES = 64;

/** Words of a shard's tally. */
export const Tally = { taken: 0, takenUnits: 1, settled: 2, settledUnits: 3 } as const;
const TALLY_WORDS = 4;

export const ShardState = { starting: 0, running: 1, ended: 2, failed: 3 } as const;

/** Bytes of one unit: what a small operation takes, so that a word counts up to 128 GiB. */
export const UNIT_BYTES = 64;
const UNIT_SHIFT = 6;

export function unitsOf(bytes: number): number {
  return (bytes + UNIT_BYTES - 1) >> UNIT_SHIFT;
}

/**
 * What all threads of one `startShards` share beside the rings.
 *
 * ```
 * word  0       operations written into rings and not committed, over all shards
 * word  1       connections to PostgreSQL that may still be taken
 * word  2       producers that wait for operations to be committed: shards flush at once
 * word  3       shards that wait for a connection
 * word  4       memory of the operations of word 0, in units of 64 bytes
 * word  5       1 when no thread may submit any more
 * word 16 + 16 s + 0  state of shard s
 *               + 1  its bell: a sequence number, notified when raised
 *               + 2  1 while it sleeps
 *               + 3  1 while it holds a connection
 *               + 4  1 while it waits for one
 *               + 5  operations that it ever took over from their producers, or read from its log; mod 2^32
 *               + 6  their memory
 *               + 7  operations of these that are pending no more
 *               + 8  their memory
 *
 * Word 0 is at any time the sum of what the producers' accounts hold and no shard took, and of the difference
 * of words 5 and 7 of each shard; word 4 likewise. So what a thread leaves behind when it dies is known
 * exactly, and is taken off.
 * ```
 */
export class Board {
  readonly memory: SharedArrayBuffer;
  readonly shards: number;
  readonly #words: Int32Array;
  /** By shard. */
  readonly #tallies: readonly Int32Array[];

  static create(shards: number, connections: number): Board {
    const board = new Board(new SharedArrayBuffer((HEADER_WORDS + shards * SHARD_WORDS) * 4));
    board.#words[PERMITS] = connections;
    return board;
  }

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.shards = (this.#words.length - HEADER_WORDS) / SHARD_WORDS;
    this.#tallies = Array.from({ length: this.shards }, (_, shard) => {
      const at = this.#cell(shard, TALLY);
      return this.#words.subarray(at, at + TALLY_WORDS);
    });
  }

  get pending(): number {
    return Atomics.load(this.#words, PENDING);
  }

  get pendingUnits(): number {
    return Atomics.load(this.#words, UNITS);
  }

  /**
   * Counts one more pending operation, also in its producer's account, unless there are `max`, or `maxUnits`
   * of memory, already.
   *
   * Here and in the methods that follow nothing is called but Atomics, and nothing loops: V8 ends a thread at
   * calls and loops only, so board and account agree also when the thread is terminated.
   */
  reserve(account: Int32Array, units: number, max: number, maxUnits: number): boolean {
    const words = this.#words;
    if (Atomics.add(words, PENDING, 1) < max) {
      const before = Atomics.add(words, UNITS, units);
      // One that is larger than the bound by itself goes in when nothing else is pending.
      if (before + units <= maxUnits || before === 0) {
        account[Account.operations] = ((account[Account.operations] as number) + 1) | 0;
        account[Account.units] = ((account[Account.units] as number) + units) | 0;
        return true;
      }
      Atomics.sub(words, UNITS, units);
    }
    Atomics.sub(words, PENDING, 1);
    return false;
  }

  /** Takes back what `reserve` counted: no shard will ever take the operation. */
  cancel(account: Int32Array, units: number): void {
    Atomics.sub(this.#words, PENDING, 1);
    Atomics.sub(this.#words, UNITS, units);
    account[Account.operations] = ((account[Account.operations] as number) - 1) | 0;
    account[Account.units] = ((account[Account.units] as number) - units) | 0;
  }

  /** The producer waits for operations to be committed, or does so no more. */
  press(account: Int32Array, presses: boolean): void {
    const change = (presses ? 1 : 0) - (account[Account.presses] as number);
    Atomics.add(this.#words, PRESSURE, change);
    account[Account.presses] = presses ? 1 : 0;
  }

  /** Operations that are pending again: the shard read them from its log. They know no bound. */
  recover(shard: number, count: number, units: number): void {
    const tally = this.#tallies[shard] as Int32Array;
    Atomics.add(this.#words, PENDING, count);
    Atomics.add(this.#words, UNITS, units);
    tally[Tally.taken] = ((tally[Tally.taken] as number) + count) | 0;
    tally[Tally.takenUnits] = ((tally[Tally.takenUnits] as number) + units) | 0;
  }

  /** Operations of the shard that are pending no more. */
  settle(shard: number, count: number, units: number): void {
    const tally = this.#tallies[shard] as Int32Array;
    Atomics.sub(this.#words, PENDING, count);
    Atomics.sub(this.#words, UNITS, units);
    tally[Tally.settled] = ((tally[Tally.settled] as number) + count) | 0;
    tally[Tally.settledUnits] = ((tally[Tally.settledUnits] as number) + units) | 0;
  }

  /** The shard's thread is no more, and what it held in memory neither. */
  settleAll(shard: number): void {
    const tally = this.#tallies[shard] as Int32Array;
    const count = ((tally[Tally.taken] as number) - (tally[Tally.settled] as number)) | 0;
    const units = ((tally[Tally.takenUnits] as number) - (tally[Tally.settledUnits] as number)) | 0;
    this.settle(shard, count, units);
  }

  /** A producer is no more: takes off what it counted and no shard took, and its pressure. */
  takeBack(count: number, units: number, presses: number): void {
    Atomics.sub(this.#words, PENDING, count);
    Atomics.sub(this.#words, UNITS, units);
    Atomics.sub(this.#words, PRESSURE, presses);
  }

  /** Where the reader of the shard's rings counts what it takes. */
  tally(shard: number): Int32Array {
    return this.#tallies[shard] as Int32Array;
  }

  get underPressure(): boolean {
    return Atomics.load(this.#words, PRESSURE) > 0;
  }

  /** Whether the shards are being closed: no thread may submit any more. */
  get isClosed(): boolean {
    return Atomics.load(this.#words, CLOSED) === 1;
  }

  close(): void {
    Atomics.store(this.#words, CLOSED, 1);
  }

  state(shard: number): number {
    return Atomics.load(this.#words, this.#cell(shard, STATE));
  }

  setState(shard: number, state: number): void {
    Atomics.store(this.#words, this.#cell(shard, STATE), state);
  }

  /** Wakes a shard that sleeps; free of cost when it does not. */
  wake(shard: number): void {
    const sleeping = this.#cell(shard, SLEEPING);
    if (Atomics.load(this.#words, sleeping) === 0) return;
    if (Atomics.exchange(this.#words, sleeping, 0) === 0) return;
    const bell = this.#cell(shard, BELL);
    Atomics.add(this.#words, bell, 1);
    Atomics.notify(this.#words, bell);
  }

  /** Says that the shard sleeps: it must look into its rings once more before it does. */
  sleep(shard: number): void {
    Atomics.store(this.#words, this.#cell(shard, SLEEPING), 1);
  }

  stayAwake(shard: number): void {
    Atomics.store(this.#words, this.#cell(shard, SLEEPING), 0);
  }

  /** Resolves when the shard's bell rings after this call. */
  async bell(shard: number): Promise<void> {
    const bell = this.#cell(shard, BELL);
    const result = Atomics.waitAsync(this.#words, bell, Atomics.load(this.#words, bell));
    if (result.async) await result.value;
  }

  /** True also if the shard holds one already. */
  tryTakePermit(shard: number): boolean {
    if (Atomics.load(this.#words, this.#cell(shard, PERMIT_HELD)) === 1) return true;
    for (;;) {
      const left = Atomics.load(this.#words, PERMITS);
      if (left <= 0) return false;
      if (Atomics.compareExchange(this.#words, PERMITS, left, left - 1) === left) {
        Atomics.store(this.#words, this.#cell(shard, PERMIT_HELD), 1);
        return true;
      }
    }
  }

  /** Gives the shard's permit back; called for it by the owner when its thread died. */
  releasePermit(shard: number): void {
    if (Atomics.exchange(this.#words, this.#cell(shard, PERMIT_HELD), 0) === 0) return;
    Atomics.add(this.#words, PERMITS, 1);
    Atomics.notify(this.#words, PERMITS, 1);
  }

  /** Shards that wait for a permit: who holds one without need should give it back. */
  get permitWaiters(): number {
    return Atomics.load(this.#words, PERMIT_WAITERS);
  }

  addPermitWaiter(shard: number): void {
    if (Atomics.exchange(this.#words, this.#cell(shard, PERMIT_AWAITED), 1) === 0) {
      Atomics.add(this.#words, PERMIT_WAITERS, 1);
    }
  }

  removePermitWaiter(shard: number): void {
    if (Atomics.exchange(this.#words, this.#cell(shard, PERMIT_AWAITED), 0) === 1) {
      Atomics.sub(this.#words, PERMIT_WAITERS, 1);
    }
  }

  /** Resolves when a permit may have come free, after `timeoutMs` at the latest. */
  async permit(timeoutMs: number): Promise<void> {
    const result = Atomics.waitAsync(this.#words, PERMITS, 0, timeoutMs);
    if (result.async) await result.value;
  }

  #cell(shard: number, field: number): number {
    return HEADER_WORDS + shard * SHARD_WORDS + field;
  }
}
