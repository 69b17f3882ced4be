import type { SharedTier, TierEnd, TierEntry, TierLease, TierOutcome, TierWrite } from './shared-tier.js';
import { MARK_MS } from './tier-scripts.js';
import { tierToken } from './tier-token.js';

/** Keys whose L2 value may be stale; past this bound all of L2 is distrusted until it was cleared. */
const MAX_DIRTY_KEYS = 100_000;
const REPAIR_INTERVAL_MS = 250;
const REPAIR_BATCH = 1_000;

/** A strong write under way. */
export interface Begun {
  readonly key: string;
  readonly token: Buffer;
  /** False: Redis does not know of it. */
  readonly isMarked: boolean;
}

export interface L2Options {
  /** Keys that Redis may have had an old value of until now; undefined: any key. */
  readonly onRepaired?: (keys: readonly string[] | undefined) => void;
}

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
  #distrusts = 0;
  #isUnchecked = false;
  #checks = 0;
  #repairTimer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #onRepaired: (keys: readonly string[] | undefined) => void;
  readonly #begun = new Set<Begun>();
  #unmarked = 0;
  #renewing: NodeJS.Timeout | undefined;
  /** Writes and deletes that Redis did not take at once. */
  failedWrites = 0;

  constructor(tier: SharedTier, options: L2Options = {}) {
    this.#tier = tier;
    this.#onRepaired = options.onRepaired ?? (() => {});
    tier.onReconnect(() => void this.checkServers());
  }

  /** Until it is known that Redis has what was written to it, nothing in it is believed. Never rejects. */
  async checkServers(): Promise<void> {
    this.#checks += 1;
    this.#isUnchecked = true;
    await this.#check();
    if (this.#isUnchecked) this.#scheduleRepair();
  }

  /** What was found. A Redis that does not answer is a miss, in bounded time. */
  getMany(keys: readonly string[]): Promise<ReadonlyMap<string, TierEntry>> {
    if (this.#distrusted || this.#isUnchecked) return Promise.resolve(NOTHING);
    const clean = this.#dirty.size === 0 ? keys : keys.filter((key) => !this.#dirty.has(key));
    if (clean.length === 0) return Promise.resolve(NOTHING);
    return this.#tier.getMany(clean);
  }

  /** Whether a read of the key would ask Redis. */
  isReadable(key: string): boolean {
    return !this.#distrusted && !this.#dirty.has(key) && this.#tier.stats().state === 'ready';
  }

  /** To be taken before a load; see `SharedTier`. Undefined: the load is not to be filled. */
  lease(key: string): Promise<TierLease | TierEntry | undefined> {
    if (!this.#takes(key)) return Promise.resolve(undefined);
    return this.#tier.lease(key);
  }

  /**
   * Stores what a load found, unless something happened to the key; true: Redis has it. Losing it costs
   * a load, so no caller waits for it.
   */
  async fill(key: string, value: Uint8Array, ttlMs: number, lease: TierLease): Promise<boolean> {
    if (!this.#takes(key)) return false;
    try {
      return await this.#tier.fill(key, value, ttlMs, lease);
    } catch {
      this.failedWrites += 1;
      return false;
    }
  }

  /** The load came to nothing. The lease's end does the same, later. */
  giveBack(key: string, lease: TierLease): void {
    this.#tier.giveBack(key, lease).catch(() => {
      this.failedWrites += 1;
    });
  }

  /** Before the statement of a strong write. Redis away: the write goes on, unmarked. */
  async begin(key: string): Promise<Begun> {
    const token = tierToken();
    let isMarked = true;
    try {
      await this.#tier.begin(key, token);
    } catch {
      this.failedWrites += 1;
      isMarked = false;
    }
    const begun = { key, token, isMarked };
    if (!isMarked) this.#unmarked += 1;
    this.#begun.add(begun);
    this.#renewing ??= setInterval(() => this.#beginAgain(), MARK_MS / 2).unref();
    return begun;
  }

  /** After the statement. `failed`: Redis may have an old value; it is not read until it was deleted. */
  async end(begun: Begun, outcome: TierOutcome): Promise<TierEnd | 'failed'> {
    const { key, token, isMarked } = begun;
    if (this.#begun.delete(begun) && !isMarked) this.#unmarked -= 1;
    if (this.#begun.size === 0) {
      clearInterval(this.#renewing);
      this.#renewing = undefined;
    }
    let end: TierEnd | 'failed' = 'failed';
    if (outcome.mode === 'undo') {
      // The mark's own end does the same, later.
      if (isMarked) end = await this.#tier.end(key, token, outcome).catch(() => 'failed' as const);
      return end;
    }
    await this.#write([key], async () => {
      if (isMarked) end = await this.#tier.end(key, token, outcome);
      else {
        // Nobody knows which other writes fell into it.
        await this.#tier.delete([key]);
        end = 'conflict';
      }
    });
    return end;
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

  /** See `SharedTier`. False also where nobody can tell: then Redis is to delete the key as soon as it can. */
  async keepsCached(key: string): Promise<boolean> {
    if (!this.#takes(key)) return false; // a repair is due, and tells the other nodes
    try {
      return await this.#tier.keepsCached(key);
    } catch {
      await this.delete(key);
      return false;
    }
  }

  /** Redis may have, or come to have, old values that this node has not yet deleted. */
  get owes(): boolean {
    return this.#distrusted || this.#dirty.size > 0 || this.#unmarked > 0;
  }

  /** Nothing in Redis is believed until it was cleared: nobody knows which of it is old. */
  distrust(): void {
    this.#distrusted = true;
    this.#distrusts += 1;
    this.#dirty.clear();
    this.#scheduleRepair();
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
    clearInterval(this.#renewing);
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
        this.distrust();
      } else {
        for (const key of keys) this.#dirty.add(key);
      }
      this.#scheduleRepair();
    }
  }

  #takes(key: string): boolean {
    return !this.#distrusted && !this.#isUnchecked && !this.#dirty.has(key);
  }

  async #check(): Promise<void> {
    const checks = this.#checks;
    try {
      const isOther = await this.#tier.hasOtherServers();
      if (isOther) this.distrust();
      if (checks === this.#checks) this.#isUnchecked = false;
    } catch {
      this.failedWrites += 1; // away: the next round asks again
    }
  }

  /** Statements that take long, so that their marks do not end before them. */
  #beginAgain(): void {
    for (const { key, token, isMarked } of this.#begun) {
      if (!isMarked) continue;
      this.#tier.begin(key, token, true).catch(() => {
        this.failedWrites += 1;
      });
    }
  }

  #scheduleRepair(): void {
    if (this.#closed || this.#repairTimer !== undefined) return;
    this.#repairTimer = setTimeout(() => {
      void this.#repair().finally(() => {
        this.#repairTimer = undefined;
        if (this.#isUnchecked || this.#distrusted || this.#dirty.size > 0) this.#scheduleRepair();
      });
    }, REPAIR_INTERVAL_MS).unref();
  }

  async #repair(): Promise<void> {
    if (this.#isUnchecked) await this.#check();
    try {
      if (this.#distrusted) {
        const distrusts = this.#distrusts;
        await this.#tier.clear();
        if (distrusts === this.#distrusts) this.#distrusted = false;
        this.#onRepaired(undefined);
      }
      while (this.#dirty.size > 0) {
        const keys = [...this.#dirty].slice(0, REPAIR_BATCH);
        await this.#tier.delete(keys);
        for (const key of keys) this.#dirty.delete(key);
        this.#onRepaired(keys);
      }
    } catch {
      this.failedWrites += 1; // still away: the next round tries again
    }
  }
}
