import type { L2 } from '../l2/l2.js';
import type { TierEntry } from '../l2/shared-tier.js';
import type { Claimed, Flight, FlightLeases, FoundLease } from './flight-leases.js';

export interface FleetFlightOptions {
  readonly leases: FlightLeases;
  readonly l2: Pick<L2, 'getMany' | 'isReadable'>;
  /** Longest wait for another node's load, milliseconds; then this node loads, too. More than a lease. */
  readonly waitMs: number;
}

export interface FleetFlightStats {
  /** Keys that wait for another node's load now. */
  readonly waiting: number;
  /** Keys that this node loaded for the fleet. */
  readonly led: number;
  /** Keys that another node loaded while this one waited, or just before. */
  readonly served: number;
  /** Keys that this node loaded beside another one: its load took too long or came to nothing, or Redis was away. */
  readonly alone: number;
}

/** A key's way past the fleet: `entry` is the value that another node has loaded, or the key is to be loaded here. */
export interface Turn {
  readonly entry: TierEntry | undefined;
  /**
   * To be called once when the load here is over. `filled`: there is a value, and this settles when L2
   * has been told. Without it those who wait are to look for themselves. Never throws.
   */
  land(filled?: Promise<unknown>): void;
}

interface Waiting {
  readonly flight: Flight;
  known: FoundLease | undefined;
  readonly resolve: (turn: Turn) => void;
}

const MIN_POLL_MS = 2;
const MAX_POLL_MS = 25;

/**
 * Single flight over all nodes: of those that miss a key at one time, one loads it.
 *
 *     missed L2 ──claim──▶ taken ──load, fill──▶ landed: filled, or empty
 *                   │
 *                   └────▶ held ──poll──▶ filled: read L2 (lost again: claim)
 *                           │  │
 *                           │  └────────▶ expired: claim
 *                           └───────────▶ empty, `waitMs` over, Redis away: load here, without a lease
 *
 * The lease is taken when a load is about to begin, so a hit in L2 and a key that the Bloom filter
 * stops pay nothing, and a load pays one round trip; taking it along with the read of L2 would make
 * every read of L2 a script. What was "empty" is not an answer for those who wait: a row may have
 * been committed since that load began, so they look themselves, all at once.
 *
 * A value comes to the waiting node from L2 alone, under the rules of any hit in L2. The fill token
 * of the caller is older than the wait, so a write during it refuses the fill into L1.
 */
export class FleetFlight {
  readonly #leases: FlightLeases;
  readonly #l2: FleetFlightOptions['l2'];
  readonly #waitMs: number;
  #arrived: Waiting[] = [];
  #landed: { flight: Flight; state: 'filled' | 'empty' }[] = [];
  readonly #led = new Map<Flight, number>();
  #renewing: NodeJS.Timeout | undefined;
  #isClosed = false;
  #waits = 0;
  #leads = 0;
  #served = 0;
  #alone = 0;

  constructor(options: FleetFlightOptions) {
    this.#leases = options.leases;
    this.#l2 = options.l2;
    this.#waitMs = options.waitMs;
  }

  /** Resolves when the key is to be loaded here, or another node has loaded it. Never rejects. */
  turn(key: string): Promise<Turn> | Turn {
    // What another node loads could not be read, or is not to be.
    if (this.#isClosed || !this.#l2.isReadable(key)) return this.#goAlone();
    return new Promise((resolve) => {
      this.#arrived.push({ flight: this.#leases.flight(key), known: undefined, resolve });
      // As the loaders do it: keys of one L2 round trip come at different depths of the microtask queue.
      if (this.#arrived.length === 1) setImmediate(() => void this.#waitTogether());
    });
  }

  stats(): FleetFlightStats {
    return { waiting: this.#waits, led: this.#leads, served: this.#served, alone: this.#alone };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#renewing);
    await this.#settle();
    await this.#leases.close();
  }

  async #waitTogether(): Promise<void> {
    let waiting = this.#arrived;
    this.#arrived = [];
    const startedMs = performance.now();
    for (;;) {
      const filled: Waiting[] = [];
      const held: Waiting[] = [];
      const claims = await this.#leases.claim(waiting);
      for (const [at, each] of waiting.entries()) {
        const claimed = claims[at] as Claimed;
        if (claimed === 'taken') each.resolve(this.#lead(each.flight));
        else if (claimed === 'unknown' || claimed.state === 'empty') each.resolve(this.#goAlone());
        else {
          each.known = claimed;
          (claimed.state === 'filled' ? filled : held).push(each);
        }
      }
      const lost = filled.length === 0 ? filled : await this.#readFilled(filled);
      waiting = held.concat(lost);
      if (waiting.length === 0) return;
      const waitedMs = performance.now() - startedMs;
      if (waitedMs >= this.#waitMs || this.#isClosed) break;
      if (lost.length > 0) continue;
      // In proportion: a quick load is noticed quickly, a slow one is not asked for often.
      const pollMs = Math.min(Math.max(waitedMs / 4, MIN_POLL_MS), MAX_POLL_MS, this.#waitMs - waitedMs);
      this.#waits += waiting.length;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
      this.#waits -= waiting.length;
    }
    for (const { resolve } of waiting) resolve(this.#goAlone());
  }

  /** Answers those whose value is in L2, and returns the others: deleted or evicted meanwhile. */
  async #readFilled(filled: readonly Waiting[]): Promise<Waiting[]> {
    const entries = await this.#l2.getMany(filled.map(({ flight }) => flight.key));
    return filled.filter(({ flight, resolve }) => {
      const entry = entries.get(flight.key);
      if (entry === undefined) return true;
      this.#served += 1;
      resolve({ entry, land: () => {} });
      return false;
    });
  }

  #goAlone(): Turn {
    this.#alone += 1;
    return { entry: undefined, land: () => {} };
  }

  #lead(flight: Flight): Turn {
    this.#leads += 1;
    this.#led.set(flight, performance.now());
    this.#renewing ??= setInterval(() => this.#renew(), this.#leases.leaseMs / 3).unref();
    return {
      entry: undefined,
      land: (filled) => {
        if (filled === undefined) this.#land(flight, 'empty');
        // After L2 has answered: who sees the lease filled must find the value. If L2 has not taken it,
        // one of those who look for it is the next to load.
        else void settled(filled).then(() => this.#land(flight, 'filled'));
      },
    };
  }

  #land(flight: Flight, state: 'filled' | 'empty'): void {
    this.#led.delete(flight);
    if (this.#led.size === 0) {
      clearInterval(this.#renewing);
      this.#renewing = undefined;
    }
    this.#landed.push({ flight, state });
    if (this.#landed.length === 1) setImmediate(() => void this.#settle());
  }

  async #settle(): Promise<void> {
    const landed = this.#landed;
    this.#landed = [];
    if (landed.length > 0) await this.#leases.settle(landed);
  }

  /** Leases of slow loads. Not for longer than anybody waits: a load that hangs must not make every reader wait. */
  #renew(): void {
    const now = performance.now();
    const renewed: Flight[] = [];
    for (const [flight, sinceMs] of this.#led) if (now - sinceMs < this.#waitMs) renewed.push(flight);
    if (renewed.length > 0) void this.#leases.renew(renewed);
  }
}

function settled(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch(() => {}); // L2 counts what it did not take
}
