import type { Board } from './board.js';

/** One producer's share of what may be pending over all shards. */
export class Reservations {
  readonly #board: Board;
  readonly #account: Int32Array;
  readonly #max: number;
  readonly #maxUnits: number;
  #presses = false;

  /** @param account memory of `ACCOUNT_BYTES` that outlives the thread */
  constructor(board: Board, account: SharedArrayBuffer, max: number, maxUnits: number) {
    this.#board = board;
    this.#account = new Int32Array(account);
    this.#max = max;
    this.#maxUnits = maxUnits;
  }

  /** For one operation. False: there is no room. */
  reserve(units: number): boolean {
    return this.#board.reserve(this.#account, units, this.#max, this.#maxUnits);
  }

  cancel(units: number): void {
    this.#board.cancel(this.#account, units);
  }

  isFull(units: number): boolean {
    const { pending, pendingUnits } = this.#board;
    // One that is larger than the bound by itself goes in when nothing else is pending.
    const isTooMuch = pendingUnits > 0 && pendingUnits + units > this.#maxUnits;
    return pending >= this.#max || isTooMuch;
  }

  /** Shards flush at once while a producer presses. True: it did not before. */
  press(presses: boolean): boolean {
    if (presses === this.#presses) return false;
    this.#presses = presses;
    this.#board.press(this.#account, presses);
    return presses;
  }
}
