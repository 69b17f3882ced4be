/** A doubly linked list of keys, from the newest to the oldest; a key is in it once at most. */
export class KeyList {
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  /** Stands between the newest and the oldest. */
  readonly #end: number;
  size = 0;

  constructor(keys: number) {
    this.#newer = new Int32Array(keys + 1).fill(-1);
    this.#older = new Int32Array(keys + 1).fill(-1);
    this.#end = keys;
    this.#newer[keys] = keys;
    this.#older[keys] = keys;
  }

  has(key: number): boolean {
    return this.#newer[key] !== -1;
  }

  /** Undefined when the list is empty. */
  get oldest(): number | undefined {
    return this.#keyOrNone(this.#newer[this.#end] as number);
  }

  /** The next newer key; undefined for the newest. */
  newerThan(key: number): number | undefined {
    return this.#keyOrNone(this.#newer[key] as number);
  }

  add(key: number): void {
    const newest = this.#older[this.#end] as number;
    this.#newer[key] = this.#end;
    this.#older[key] = newest;
    this.#newer[newest] = key;
    this.#older[this.#end] = key;
    this.size += 1;
  }

  remove(key: number): void {
    const newer = this.#newer[key] as number;
    const older = this.#older[key] as number;
    this.#older[newer] = older;
    this.#newer[older] = newer;
    this.#newer[key] = -1;
    this.#older[key] = -1;
    this.size -= 1;
  }

  removeOldest(): number {
    const key = this.#newer[this.#end] as number;
    this.remove(key);
    return key;
  }

  #keyOrNone(key: number): number | undefined {
    return key === this.#end ? undefined : key;
  }
}
