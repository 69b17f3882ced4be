import { setImmediate as turn } from 'node:timers/promises';

/**
 * Keeps a number of operations in flight, as that many clients would, without starving the event
 * loop: an operation that a cache answers resolves in a microtask, so a plain loop of awaits would
 * never let sockets, timers and signals have their turn.
 */
export class Driver {
  readonly #concurrency: number;
  #inFlight = 0;
  #wake: (() => void) | undefined;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Starts operations until `start` gives none. Those started last may still be in flight then:
   * `idle()` waits for them.
   *
   * @param start starts one operation, whose promise never rejects
   */
  async run(start: () => Promise<void> | undefined): Promise<void> {
    for (;;) {
      while (this.#inFlight < this.#concurrency) {
        const operation = start();
        if (operation === undefined) return;
        this.#inFlight += 1;
        operation.then(this.#done, this.#done);
      }
      await turn();
      if (this.#inFlight === this.#concurrency) await this.#oneDone();
    }
  }

  /** Resolves when nothing is in flight. */
  async idle(): Promise<void> {
    while (this.#inFlight > 0) await this.#oneDone();
  }

  readonly #done = (): void => {
    this.#inFlight -= 1;
    this.#wake?.();
    this.#wake = undefined;
  };

  /** Turning the event loop until then would keep a core busy that the database may need. */
  #oneDone(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
