import type { LaneFate } from './lane.js';
import { ProducerBell } from './ring/producer-bell.js';
import {
  APPLIED,
  createRing,
  DATA_BYTES_AT,
  RESTARTS,
  SYNCED,
  TAKEN,
  TAKEN_UNITS,
} from './ring/ring-layout.js';
import { ACCOUNT_BYTES, Account } from './shard/board.js';

/**
 * The shared memory of one producer. It is used again for the next one: all isolates would have to collect
 * their garbage before the memory of a thread that is no more came free, and what is shared does not make
 * them do so.
 */
export class ProducerMemory {
  readonly bell = new ProducerBell().memory;
  readonly account = new SharedArrayBuffer(ACCOUNT_BYTES);
  /** By shard. */
  readonly rings: readonly SharedArrayBuffer[];

  constructor(shards: number, ringBytes: number) {
    this.rings = Array.from({ length: shards }, () => createRing(ringBytes));
  }

  /** For the producer with this id; `takeTicket` then gives it once. */
  issue(id: number): void {
    Atomics.store(new Int32Array(this.account), Account.ticket, ticketOf(id));
  }

  /** The thread of a shard died, and the next one has not begun: notes it in the ring. */
  noteRestart(shard: number): LaneFate {
    const words = this.#words(shard);
    Atomics.add(words, RESTARTS, 1);
    return {
      taken: Atomics.load(words, TAKEN),
      applied: Atomics.load(words, APPLIED),
      synced: Atomics.load(words, SYNCED),
    };
  }

  /**
   * What the producer reserved and no shard took; of a thread that has ended, and once no shard reads its
   * rings any more.
   */
  get leftOver(): { operations: number; units: number; presses: number } {
    const account = new Int32Array(this.account);
    let operations = account[Account.operations] as number;
    let units = account[Account.units] as number;
    for (let shard = 0; shard < this.rings.length; shard++) {
      const words = this.#words(shard);
      operations = (operations - Atomics.load(words, TAKEN)) | 0;
      units = (units - (words[TAKEN_UNITS] as number)) | 0;
    }
    return { operations, units, presses: account[Account.presses] as number };
  }

  /** For the next producer. */
  clear(): void {
    new Int32Array(this.bell).fill(0);
    new Int32Array(this.account).fill(0);
    for (const ring of this.rings) new Int32Array(ring, 0, DATA_BYTES_AT >> 2).fill(0);
  }

  #words(shard: number): Int32Array {
    return new Int32Array(this.rings[shard] as SharedArrayBuffer);
  }
}

/**
 * Takes the ticket of a producer, so that no two use its memory. False: somebody has it, or the memory is
 * another one's by now.
 */
export function takeTicket(account: SharedArrayBuffer, id: number): boolean {
  const ticket = ticketOf(id);
  return Atomics.compareExchange(new Int32Array(account), Account.ticket, ticket, 0) === ticket;
}

function ticketOf(id: number): number {
  return (id + 1) | 0;
}
