import { BOUNDS, type CoherenceBounds } from './bounds.js';

/** A counter in shared memory. */
export type PulseHandle = SharedArrayBuffer;

/**
 * Says to attached threads that the owner's event loop goes round: then it hears the other nodes, and empties L1
 * when it does not. A loop that is blocked can do neither, while the threads could read L1 for ever.
 */
export class Pulse {
  readonly handle: PulseHandle = new SharedArrayBuffer(4);
  readonly #beats = new Int32Array(this.handle);

  beat(): void {
    Atomics.add(this.#beats, 0, 1);
  }
}

/** In an attached thread. */
export class PulseWatch {
  readonly #beats: Int32Array;
  readonly #silentMs: number;
  readonly #timer: NodeJS.Timeout;
  #last: number;
  #heardAtMs = performance.now();
  #isLost = false;

  constructor(handle: PulseHandle, { beatMs, silentMs }: CoherenceBounds = BOUNDS) {
    this.#beats = new Int32Array(handle);
    this.#silentMs = silentMs;
    this.#last = Atomics.load(this.#beats, 0);
    this.#timer = setInterval(() => this.#look(), beatMs).unref();
  }

  /** Nothing in L1 may be believed: other nodes may have written what the owner has not heard of. */
  get isLost(): boolean {
    return this.#isLost;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const beats = Atomics.load(this.#beats, 0);
    const now = performance.now();
    if (beats !== this.#last) {
      this.#last = beats;
      this.#heardAtMs = now;
    }
    this.#isLost = now - this.#heardAtMs > this.#silentMs;
  }
}
