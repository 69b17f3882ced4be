import type { Receipt } from '@zmsg/workers';

/**
 * Looks at a key again when its periodic put is committed: until then the caches alone have the value, and where
 * they lost it (evicted, a Redis that came back empty) a load found the old row, and cached it for as long as it
 * lives.
 */
export class PutFollowUp {
  readonly #latest = new Map<string, { value: Uint8Array; receipt: Receipt }>();
  readonly #followed = new Set<Promise<void>>();
  readonly #recheck: (key: string, value: Uint8Array) => Promise<void>;

  constructor(recheck: (key: string, value: Uint8Array) => Promise<void>) {
    this.#recheck = recheck;
  }

  /** Once for all puts of a key that are flushed together. */
  follow(key: string, value: Uint8Array, receipt: Receipt): void {
    const isNew = !this.#latest.has(key);
    this.#latest.set(key, { value, receipt });
    if (!isNew) return;
    const followed = this.#await(key);
    this.#followed.add(followed);
    void followed.then(() => this.#followed.delete(followed));
  }

  /** A put of the key is not committed yet, and will be looked at when it is. */
  isPending(key: string): boolean {
    return this.#latest.has(key);
  }

  /** Resolves when what was committed was looked at: to be called when nothing is pending any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#followed);
  }

  async #await(key: string): Promise<void> {
    for (;;) {
      const latest = this.#latest.get(key);
      if (latest === undefined) return;
      try {
        await latest.receipt.applied;
      } catch {
        // Refused, or lost: what the caches have is not what the database has, and never was.
      }
      if (this.#latest.get(key) !== latest) continue;
      this.#latest.delete(key);
      await this.#recheck(key, latest.value).catch(() => {}); // closed meanwhile
      return;
    }
  }
}
