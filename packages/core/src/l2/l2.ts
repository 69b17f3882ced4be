import type { SharedTier, TierEntry, TierWrite } from './shared-tier.js';

/** Keys whose L2 value may be stale; past this bound all of L2 is distrusted until it was cleared. */
const MAX_DIRTY_KEYS = 100_000;
const REPAIR_INTERVAL_MS = 250;
const REPAIR_BATCH = 1_000;

const NOTHING: ReadonlyMap<string, TierEntry> = new Map();

/**
 * L2 as the engine uses it: nothing here ever rejects.
 *
 * A write or delete that Redis may not have taken leaves
 * a value there that is older than the database: its key is *dirty*, reads pass it by, and it is
 * deleted as soon as Redis answers again.
 */
export class L2 {
  readonly #tier: SharedTier;
  readonly #dirty = new Set<string>();
  #distrusted = false;
  #repairTimer: NodeJS.Timeout | undefined;
  #closed = false;
  /** Writes and deletes that Redis did not take at once. */
  failedWrites = 0;

  constructor(tier: SharedTier) {
    this.#tier = tier;
  }

  /** What was found. A Redis that does not answer is a miss, in bounded time. */
  getMany(keys: readonly string[]): Promise<ReadonlyMap<string, TierEntry>> {
    if (this.#distrusted) return Promise.resolve(NOTHING);
    const clean = this.#dirty.size === 0 ? keys : keys.filter((key) => !this.#dirty.has(key));
    if (clean.length === 0) return Promise.resolve(NOTHING);
    return this.#tier.getMany(clean);
  }

  /** Whether a read of the key would ask Redis. */
  isReadable(key: string): boolean {
    return !this.#distrusted && !this.#dirty.has(key) && this.#tier.stats().state === 'ready';
  }

  /** Stores what a load found. Losing it costs a load, so no caller waits for it. Settles when Redis has answered. */
  async fill(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    if (this.#distrusted || this.#dirty.has(key)) return;
    await this.#tier.set(key, value, ttlMs).catch(() => {
      this.failedWrites += 1;
    });
  }

  set(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    return this.#write([key], () => this.#tier.set(key, value, ttlMs));
  }

  setMany(entries: readonly TierWrite[]): Promise<void> {
    return this.#write(
      entries.map((entry) => entry.key),
      () => this.#tier.setMany(entries),
    );
  }

  delete(key: string): Promise<void> {
    return this.#write([key], async () => {
      await this.#tier.delete([key]);
    });
  }

  /** Replaces a value and keeps its remaining time to live. False: there was none. */
  async replace(key: string, value: Uint8Array): Promise<boolean> {
    let replaced = false;
    await this.#write([key], async () => {
      replaced = await this.#tier.replace(key, value);
    });
    return replaced;
  }

  stats() {
    return {
      ...this.#tier.stats(),
      failedWrites: this.failedWrites,
      /** Keys that reads pass by until Redis has deleted them. */
      dirtyKeys: this.#dirty.size,
      /** Too many to remember: reads pass all of L2 by until it is cleared. */
      distrusted: this.#distrusted,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#repairTimer);
    await this.#tier.close();
  }

  async #write(keys: readonly string[], write: () => Promise<void>): Promise<void> {
    try {
      await write();
      // Redis keeps the order of a key's commands, so this value is newer than what was dirty.
      for (const key of keys) this.#dirty.delete(key);
    } catch {
      this.failedWrites += 1;
      if (this.#dirty.size + keys.length > MAX_DIRTY_KEYS) {
        this.#distrusted = true;
        this.#dirty.clear();
      } else {
        for (const key of keys) this.#dirty.add(key);
      }
      this.#scheduleRepair();
    }
  }

  #scheduleRepair(): void {
    if (this.#closed || this.#repairTimer !== undefined) return;
    this.#repairTimer = setTimeout(() => {
      void this.#repair().finally(() => {
        this.#repairTimer = undefined;
        if (this.#distrusted || this.#dirty.size > 0) this.#scheduleRepair();
      });
    }, REPAIR_INTERVAL_MS).unref();
  }

  async #repair(): Promise<void> {
    try {
      if (this.#distrusted) {
        await this.#tier.clear();
        this.#distrusted = false;
      }
      while (this.#dirty.size > 0) {
        const keys = [...this.#dirty].slice(0, REPAIR_BATCH);
        await this.#tier.delete(keys);
        for (const key of keys) this.#dirty.delete(key);
      }
    } catch {
      this.failedWrites += 1; // still away: the next round tries again
    }
  }
}
