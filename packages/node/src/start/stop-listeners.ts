/** What the application wants done before it ends. */
export class StopListeners {
  readonly #listeners: (() => unknown)[] = [];

  add(listener: () => unknown): void {
    this.#listeners.push(listener);
  }

  /** Calls all of them at once; resolves when all have settled, with what they threw. */
  async run(): Promise<unknown[]> {
    const results = await Promise.allSettled(this.#listeners.map(async (listener) => listener()));
    return results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  }
}
