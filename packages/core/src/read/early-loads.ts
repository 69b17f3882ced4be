/** With more, nobody knows which. */
const MAX_KEYS = 100_000;

/**
 * Keys that were looked for beyond L1 while what an earlier process had acknowledged was not yet in the database:
 * what was found may be from before, and would be kept for as long as a value lives.
 */
export class EarlyLoads {
  readonly #keys = new Set<string>();
  #isOverfull = false;

  /** Before the load begins. */
  add(keys: readonly string[]): void {
    if (this.#keys.size + keys.length > MAX_KEYS) this.#isOverfull = true;
    else for (const key of keys) this.#keys.add(key);
  }

  /** Undefined: any key. */
  get keys(): ReadonlySet<string> | undefined {
    return this.#isOverfull ? undefined : this.#keys;
  }
}
