import type { Load } from '../load.js';

/**
 * Hits of the optimum (Belady, 1966): what is needed last goes first. It knows the future, so it takes the
 * whole load at once.
 */
export function beladyHits({ accesses, keys }: Load, room: number): number {
  const next = nextAccesses(accesses, keys);
  const heap = new LatestFirst(keys);
  let hits = 0;
  for (let at = 0; at < accesses.length; at += 1) {
    const key = accesses[at] as number;
    if (heap.has(key)) hits += 1;
    else if (heap.size === room) heap.removeLatest();
    heap.put(key, next[at] as number);
  }
  return hits;
}

/** For each access the position of the key's next one; beyond the load when there is none. */
function nextAccesses(accesses: Uint32Array, keys: number): Float64Array {
  const next = new Float64Array(accesses.length);
  const seen = new Float64Array(keys).fill(Number.POSITIVE_INFINITY);
  for (let at = accesses.length - 1; at >= 0; at -= 1) {
    const key = accesses[at] as number;
    next[at] = seen[key] as number;
    seen[key] = at;
  }
  return next;
}

/** A binary heap of keys, the one that is needed last on top. */
class LatestFirst {
  readonly #keys: number[] = [];
  readonly #when: Float64Array;
  readonly #positions: Int32Array;

  constructor(keys: number) {
    this.#when = new Float64Array(keys);
    this.#positions = new Int32Array(keys).fill(-1);
  }

  get size(): number {
    return this.#keys.length;
  }

  has(key: number): boolean {
    return this.#positions[key] !== -1;
  }

  /** Adds the key, or moves it to a later time. */
  put(key: number, when: number): void {
    this.#when[key] = when;
    const position = this.#positions[key] as number;
    this.#rise(key, position === -1 ? this.#keys.length : position);
  }

  removeLatest(): void {
    const latest = this.#keys[0] as number;
    const last = this.#keys.pop() as number;
    this.#positions[latest] = -1;
    if (last !== latest) this.#sink(last);
  }

  #rise(key: number, from: number): void {
    const when = this.#when[key] as number;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#keys[parent] as number;
      if ((this.#when[above] as number) >= when) break;
      this.#place(above, at);
      at = parent;
    }
    this.#place(key, at);
  }

  /** From the top. */
  #sink(key: number): void {
    const when = this.#when[key] as number;
    const { length } = this.#keys;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#whenAt(child + 1) > this.#whenAt(child)) child += 1;
      if (this.#whenAt(child) <= when) break;
      this.#place(this.#keys[child] as number, at);
      at = child;
    }
    this.#place(key, at);
  }

  #whenAt(position: number): number {
    return this.#when[this.#keys[position] as number] as number;
  }

  #place(key: number, at: number): void {
    this.#keys[at] = key;
    this.#positions[key] = at;
  }
}
