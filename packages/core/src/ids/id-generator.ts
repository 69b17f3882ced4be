import { ClosedError } from '@zmsg/workers';
import { IdCell, type IdHandle } from './id-cell.js';
import { type IdClock, systemClock } from './id-clock.js';
import { claimIdEpoch } from './id-epoch.js';
import { IdIssuer } from './id-issuer.js';
import { type LeaseEvent, LeaseKeeper } from './lease-keeper.js';
import type { LeaseStore } from './node-lease.js';

export interface IdGeneratorOptions {
  /** Where `zmsg_nodes` is. */
  readonly store: LeaseStore;
  /** Milliseconds since 1970 of the first id; the same for all engines on one database. */
  readonly epochMs: number;
  /** A node id that is not renewed for so long is free again. */
  readonly leaseTtlMs: number;
  /** @default the clocks of the machine */
  readonly clock?: IdClock;
  readonly onEvent?: (event: LeaseEvent) => void;
}

/**
 * Ids that never repeat, over threads, processes, restarts and clock steps: 41 bits of milliseconds,
 * 10 bits node id (leased from PostgreSQL), 12 bits sequence. `open` once per process, `attach` in
 * each further thread.
 */
export class IdGenerator {
  readonly #cell: IdCell;
  readonly #issuer: IdIssuer;
  /** Undefined in attached threads. */
  readonly #keeper: LeaseKeeper | undefined;
  #closed = false;

  private constructor(cell: IdCell, clock: IdClock, keeper: LeaseKeeper | undefined) {
    this.#cell = cell;
    this.#issuer = new IdIssuer(cell, clock);
    this.#keeper = keeper;
  }

  /**
   * Takes a node id.
   *
   * @throws LeaseLostError when all 1,024 are taken, ClockError when all free ones were used by
   * clocks ahead of this one, ConfigError when the database's ids were made with another epoch, StoreError.
   */
  static async open(options: IdGeneratorOptions): Promise<IdGenerator> {
    const { store, epochMs, leaseTtlMs: ttlMs, clock = systemClock(), onEvent = () => {} } = options;
    await claimIdEpoch(store, epochMs);
    const cell = IdCell.create(epochMs);
    const keeper = new LeaseKeeper({ store, cell, clock, ttlMs, onEvent });
    await keeper.start();
    return new IdGenerator(cell, clock, keeper);
  }

  /** The generator of `handle` in another thread. Stops when the opened one is closed. */
  static attach(handle: IdHandle, options: { readonly clock?: IdClock } = {}): IdGenerator {
    return new IdGenerator(IdCell.attach(handle), options.clock ?? systemClock(), undefined);
  }

  /** For `attach`; may be sent to any thread of the process. */
  get handle(): IdHandle {
    return this.#cell.handle;
  }

  /** The node id in new ids; undefined while there is no lease. */
  get nodeId(): number | undefined {
    return this.#cell.state === 'held' ? this.#cell.node : undefined;
  }

  /**
   * A new id, larger than those this thread got before it, unless the clock stepped back in between:
   * `feed_7382910…` for the prefix `feed`, the number alone without one. Beyond 4,096 ids per
   * millisecond for more than 4 ms it blocks, a millisecond at a time.
   *
   * @throws InvalidKeyError, LeaseLostError while the lease may have expired, ClockError when the clock
   * stepped back by more than is waited out (until another node id is there, some milliseconds),
   * ClosedError.
   */
  next(prefix?: string): string {
    if (this.#closed) throw new ClosedError('the id generator is closed');
    return this.#issuer.next(prefix);
  }

  /** Stops all threads' generators and gives the node id back; of an attached one: this one only. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#keeper?.close();
  }
}
