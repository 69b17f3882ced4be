import { KeyList } from './key-list.js';
import type { Policy } from './policy.js';

/** SIEVE (Zhang et al., NSDI 2024): a hand walks from the oldest to the newest and spares what was visited. */
export class Sieve implements Policy {
  readonly #list: KeyList;
  readonly #room: number;
  readonly #visited: Uint8Array;
  #hand: number | undefined;

  constructor(keys: number, room: number) {
    this.#list = new KeyList(keys);
    this.#room = room;
    this.#visited = new Uint8Array(keys);
  }

  access(key: number): boolean {
    if (this.#list.has(key)) {
      this.#visited[key] = 1;
      return true;
    }
    if (this.#list.size === this.#room) this.#evict();
    this.#list.add(key);
    this.#visited[key] = 0;
    return false;
  }

  #evict(): void {
    let key = this.#hand ?? (this.#list.oldest as number);
    while (this.#visited[key] === 1) {
      this.#visited[key] = 0;
      key = this.#list.newerThan(key) ?? (this.#list.oldest as number);
    }
    this.#hand = this.#list.newerThan(key);
    this.#list.remove(key);
  }
}
