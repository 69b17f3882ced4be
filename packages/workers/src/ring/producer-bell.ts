const TAKEN_TOTAL = 0;
const WAKE_AT = 1;
const ARMED = 2;
const BELL = 3;
const WORDS = 16;

const ON_TAKEN = 1;
const ON_COMMIT = 2;

/**
 * How shards wake one producer thread. One cell block per producer:
 *
 * ```
 * word 0  operations of this producer that shards took, over all rings, mod 2^32
 * word 1  the count at which the producer wants to be woken
 * word 2  what it waits for (bits): 1 that count, 2 any commit; 0 when it does not wait
 * word 3  the bell: a sequence number, notified when raised
 * ```
 *
 * A bell per ring would wake the producer sixteen times for one burst of writes; with one count over
 * all rings it wakes once, when the last of the burst was taken.
 */
export class ProducerBell {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory = new SharedArrayBuffer(WORDS * 4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Shard: `count` more operations were taken (published in their ring before). */
  taken(count: number): void {
    const total = (Atomics.add(this.#words, TAKEN_TOTAL, count) + count) | 0;
    const armed = Atomics.load(this.#words, ARMED);
    if ((armed & ON_TAKEN) !== 0 && ((total - Atomics.load(this.#words, WAKE_AT)) | 0) >= 0) this.ring();
  }

  /** Shard: something was committed (published in the rings before). */
  committed(): void {
    if ((Atomics.load(this.#words, ARMED) & ON_COMMIT) !== 0) this.ring();
  }

  ring(): void {
    if (Atomics.exchange(this.#words, ARMED, 0) === 0) return;
    Atomics.add(this.#words, BELL, 1);
    Atomics.notify(this.#words, BELL);
  }

  /**
   * Producer: asks to be woken when `takenTotal` operations are taken, or at the next commit. What
   * happened before the call is not reported: look again afterwards.
   */
  arm(takenTotal: number | undefined, onCommit: boolean): void {
    if (takenTotal !== undefined) Atomics.store(this.#words, WAKE_AT, takenTotal | 0);
    Atomics.store(this.#words, ARMED, (takenTotal === undefined ? 0 : ON_TAKEN) | (onCommit ? ON_COMMIT : 0));
  }

  disarm(): void {
    Atomics.store(this.#words, ARMED, 0);
  }

  isReached(takenTotal: number): boolean {
    return ((Atomics.load(this.#words, TAKEN_TOTAL) - takenTotal) | 0) >= 0;
  }

  /**
   * Resolves at the next ring after this call. Does not keep the event loop alive: the caller holds
   * a timer for as long as it waits.
   */
  async next(): Promise<void> {
    const result = Atomics.waitAsync(this.#words, BELL, Atomics.load(this.#words, BELL));
    if (result.async) await result.value;
  }
}
