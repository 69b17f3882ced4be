import { DurabilityLevel } from './durability.js';
import type { Lane } from './lane.js';
import type { Receipt } from './shards.js';

const RESOLVED = Promise.resolve();

/** A receipt whose promises come into being when someone asks for them: most callers never do. */
export class LaneReceipt implements Receipt {
  readonly #lane: Lane;
  readonly #position: number;
  readonly #level: number;
  #durable: Promise<void> | undefined;
  #applied: Promise<void> | undefined;

  constructor(lane: Lane, position: number, level: number) {
    this.#lane = lane;
    this.#position = position;
    this.#level = level;
  }

  get durable(): Promise<void> {
    if (this.#level === DurabilityLevel.always) return RESOLVED; // it was, when it was acknowledged
    if (this.#level === DurabilityLevel.off) return this.applied;
    this.#durable ??= this.#lane.whenSynced(this.#position);
    return this.#durable;
  }

  get applied(): Promise<void> {
    this.#applied ??= this.#lane.whenApplied(this.#position, this.#level);
    return this.#applied;
  }
}
