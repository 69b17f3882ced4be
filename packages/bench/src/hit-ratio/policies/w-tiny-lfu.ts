import { KeyList } from './key-list.js';
import type { Policy } from './policy.js';

const WINDOW_SHARE = 0.01;
const PROTECTED_SHARE = 0.8;
const MAX_COUNT = 15;
/** Uses after which all counts are halved, per entry of room. */
const SAMPLE_PER_ENTRY = 10;

/**
 * W-TinyLFU (Einziger et al., 2017) with a fixed window: what falls out of the LRU window enters the
 * segmented LRU only if it was used more often than that one's victim. The counts are exact, where
 * implementations have a sketch of 4-bit counters.
 */
export class WTinyLfu implements Policy {
  readonly #window: KeyList;
  readonly #probation: KeyList;
  readonly #protected: KeyList;
  readonly #counts: Uint8Array;
  readonly #windowRoom: number;
  readonly #mainRoom: number;
  readonly #protectedRoom: number;
  readonly #sample: number;
  #uses = 0;

  constructor(keys: number, room: number) {
    this.#window = new KeyList(keys);
    this.#probation = new KeyList(keys);
    this.#protected = new KeyList(keys);
    this.#counts = new Uint8Array(keys);
    this.#windowRoom = Math.max(1, Math.floor(room * WINDOW_SHARE));
    this.#mainRoom = room - this.#windowRoom;
    this.#protectedRoom = Math.floor(this.#mainRoom * PROTECTED_SHARE);
    this.#sample = room * SAMPLE_PER_ENTRY;
  }

  access(key: number): boolean {
    this.#count(key);
    if (this.#window.has(key)) {
      this.#window.remove(key);
      this.#window.add(key);
      return true;
    }
    if (this.#protected.has(key)) {
      this.#protected.remove(key);
      this.#protected.add(key);
      return true;
    }
    if (this.#probation.has(key)) {
      this.#probation.remove(key);
      this.#protected.add(key);
      if (this.#protected.size > this.#protectedRoom) this.#probation.add(this.#protected.removeOldest());
      return true;
    }
    this.#window.add(key);
    if (this.#window.size > this.#windowRoom) this.#admit(this.#window.removeOldest());
    return false;
  }

  #admit(candidate: number): void {
    if (this.#probation.size + this.#protected.size < this.#mainRoom) {
      this.#probation.add(candidate);
      return;
    }
    const list = this.#probation.size > 0 ? this.#probation : this.#protected;
    const victim = list.oldest;
    if (victim === undefined || (this.#counts[candidate] as number) <= (this.#counts[victim] as number))
      return;
    list.remove(victim);
    this.#probation.add(candidate);
  }

  #count(key: number): void {
    const count = this.#counts[key] as number;
    if (count < MAX_COUNT) this.#counts[key] = count + 1;
    this.#uses += 1;
    if (this.#uses < this.#sample) return;
    this.#uses >>= 1;
    const counts = this.#counts;
    for (let i = 0; i < counts.length; i += 1) counts[i] = (counts[i] as number) >> 1;
  }
}
