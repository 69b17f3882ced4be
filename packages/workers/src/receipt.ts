import type { Lane } from './lane.js';
import type { Receipt } from './shards.js';

const RESOLVED = Promise.resolve();

/** A receipt whose promises come into being when someone asks for them: most callers never do. */
export class LaneReceipt implements Receipt {
  readonly #lane: Lane;
  readonly #position: number;
  #applied: Promise<void> | undefined;

  constructor(lane: Lane, position: number) {
    this.#lane = lane;
    this.#position = position;
  }

  /** A write that was taken is as durable as it gets without a log. */
  get durable(): Promise<void> {
    return RESOLVED;
  }

  get applied(): Promise<void> {
    this.#applied ??= this.#lane.whenApplied(this.#position);
    return this.#applied;
  }
}
