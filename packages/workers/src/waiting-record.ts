import type { Receipt } from './shards.js';

/** The two ends of a `submit` whose operation is not taken yet. */
export class Acknowledgement {
  readonly #resolve: (receipt: Receipt) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly level: number;
  /** Memory of the operation, in units of the board. */
  readonly units: number;
  readonly #onAbort: (() => void) | undefined;
  /** The signal fired: nobody waits for it any more. */
  aborted = false;

  constructor(
    resolve: (receipt: Receipt) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
    level: number,
    units: number,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.level = level;
    this.units = units;
    if (signal !== undefined) {
      this.#onAbort = () => {
        this.aborted = true;
        reject(signal.reason);
      };
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  resolve(receipt: Receipt): void {
    this.#resolve(receipt);
    this.#unlisten();
  }

  reject(error: unknown): void {
    this.#reject(error);
    this.#unlisten();
  }

  #unlisten(): void {
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** A record that waits for room in its ring, in the order of the calls. */
export class WaitingRecord {
  readonly words: Int32Array;
  /** Undefined for what is no operation: shape definitions and requests. */
  readonly acknowledgement: Acknowledgement | undefined;
  /** Counted among the pending operations. */
  reserved = false;
  /** Bytes that went into the ring in chunks. */
  sentBytes = 0;

  constructor(words: Int32Array, acknowledgement: Acknowledgement | undefined) {
    this.words = words;
    this.acknowledgement = acknowledgement;
  }

  get units(): number {
    return this.acknowledgement?.units ?? 0;
  }

  /** Nothing of it is in the ring, and nobody waits for it. */
  get isDropped(): boolean {
    return this.sentBytes === 0 && this.acknowledgement?.aborted === true;
  }
}
