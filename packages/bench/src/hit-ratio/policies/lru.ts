import { KeyList } from './key-list.js';
import type { Policy } from './policy.js';

export class Lru implements Policy {
  readonly #list: KeyList;
  readonly #room: number;

  constructor(keys: number, room: number) {
    this.#list = new KeyList(keys);
    this.#room = room;
  }

  access(key: number): boolean {
    const hit = this.#list.has(key);
    if (hit) this.#list.remove(key);
    else if (this.#list.size === this.#room) this.#list.removeOldest();
    this.#list.add(key);
    return hit;
  }
}
