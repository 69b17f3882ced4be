import { KeyList } from './key-list.js';
import type { Policy } from './policy.js';

const SMALL_SHARE = 0.1;
const HITS_TO_STAY = 2;
const MAX_HITS = 3;

/**
 * S3-FIFO (Yang et al., SOSP 2023): a small queue for new keys, a main queue for those that were hit there,
 * a ghost queue of as many keys as the main one has for those that were not.
 */
export class S3Fifo implements Policy {
  readonly #small: KeyList;
  readonly #main: KeyList;
  readonly #ghosts: KeyList;
  readonly #hits: Uint8Array;
  readonly #smallRoom: number;
  readonly #room: number;

  constructor(keys: number, room: number) {
    this.#small = new KeyList(keys);
    this.#main = new KeyList(keys);
    this.#ghosts = new KeyList(keys);
    this.#hits = new Uint8Array(keys);
    this.#smallRoom = Math.max(1, Math.floor(room * SMALL_SHARE));
    this.#room = room;
  }

  access(key: number): boolean {
    if (this.#small.has(key) || this.#main.has(key)) {
      this.#hits[key] = Math.min(MAX_HITS, (this.#hits[key] as number) + 1);
      return true;
    }
    while (this.#small.size + this.#main.size >= this.#room) {
      if (this.#small.size >= this.#smallRoom || this.#main.size === 0) this.#evictSmall();
      else this.#evictMain();
    }
    this.#hits[key] = 0;
    if (this.#ghosts.has(key)) {
      this.#ghosts.remove(key);
      this.#main.add(key);
    } else {
      this.#small.add(key);
    }
    return false;
  }

  #evictSmall(): void {
    const key = this.#small.removeOldest();
    if ((this.#hits[key] as number) >= HITS_TO_STAY) {
      this.#hits[key] = 0;
      this.#main.add(key);
      return;
    }
    if (this.#ghosts.size >= Math.max(1, this.#room - this.#smallRoom)) this.#ghosts.removeOldest();
    this.#ghosts.add(key);
  }

  #evictMain(): void {
    for (;;) {
      const key = this.#main.removeOldest();
      const hits = this.#hits[key] as number;
      if (hits === 0) return;
      this.#hits[key] = hits - 1;
      this.#main.add(key);
    }
  }
}
