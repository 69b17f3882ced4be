/**
 * Keeps the order of submissions when one of them has to wait for something first (the type of a
 * column, the shared Bloom filter): those behind it wait too. Empty in the steady state, when nothing
 * waits and the caller may submit at once.
 */
export class SubmitGate {
  #last: Promise<void> | undefined;

  get isOpen(): boolean {
    return this.#last === undefined;
  }

  /** Calls `submit` after `ready` and after everything that passed here before. */
  pass<T>(ready: Promise<unknown> | undefined, submit: () => Promise<T>): Promise<T> {
    // `ready` is under way already: waiting calls prepare side by side and submit in order.
    ready?.catch(() => {}); // reported by the call itself, below
    const before = this.#last;
    return new Promise<T>((resolve, reject) => {
      const turn = (async () => {
        await before;
        try {
          await ready;
          resolve(submit());
        } catch (error) {
          reject(error);
        }
      })();
      this.#last = turn;
      void turn.then(() => {
        if (this.#last === turn) this.#last = undefined;
      });
    });
  }
}
