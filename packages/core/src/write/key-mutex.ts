/**
 * Runs the strong writes of one key one after the other, so that the order of commits is the order in
 * which the cache sees them; without it the slower answer of the older commit would win.
 */
export class KeyMutex {
  readonly #tails = new Map<string, Promise<void>>();

  async run<T>(key: string, body: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    let release!: () => void;
    const tail = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#tails.set(key, tail);
    try {
      await before;
      return await body();
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
      release();
    }
  }

  /** Takes the keys in sorted order, so that two batches cannot wait for each other. */
  runAll<T>(keys: readonly string[], body: () => Promise<T>): Promise<T> {
    const sorted = [...new Set(keys)].sort();
    const next = (at: number): Promise<T> => {
      const key = sorted[at];
      return key === undefined ? body() : this.run(key, () => next(at + 1));
    };
    return next(0);
  }
}
