import { KeyList } from './key-list.js';
import type { Policy } from './policy.js';

export class Fifo implements Policy {
  readonly #list: KeyList;
  readonly #room: number;

  constructor(keys: number, room: number) {
    this.#list = new KeyList(keys);
    this.#room = room;
  }

  access(key: number): boolean {
    if (this.#list.has(key)) return true;
    if (this.#list.size === this.#room) this.#list.removeOldest();
    this.#list.add(key);
    return false;
  }
}
