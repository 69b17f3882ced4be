import type { SharedLRU } from 'sharedarraybuffer-lru';
import type { PulseWatch } from '../coherence/pulse.js';
import type { ReadCalls } from '../engine-calls.js';
import type { WaitOptions } from '../store/store.js';
import type { OwnerPort } from './owner-port.js';

/**
 * What happens to a read in an attached thread: a hit is read from the shared memory of L1, here. A miss goes to
 * the owner, so that one key is loaded once at a time for all threads; it fills L1, where the next read finds it.
 * While the owner is blocked it hears of no other node: then every read is a miss, and waits for it.
 */
export class AttachedReader implements ReadCalls {
  readonly #l1: SharedLRU;
  readonly #pulse: PulseWatch | undefined;
  readonly #owner: OwnerPort;

  /** @param pulse undefined: there are no other nodes */
  constructor(l1: SharedLRU, pulse: PulseWatch | undefined, owner: OwnerPort) {
    this.#l1 = l1;
    this.#pulse = pulse;
    this.#owner = owner;
  }

  peek(key: string): Buffer | undefined {
    return this.#pulse?.isLost === true ? undefined : this.#l1.get(key);
  }

  hit(key: string): Promise<Buffer> | undefined {
    return this.#pulse?.isLost === true ? undefined : this.#l1.promised(key);
  }

  miss(key: string, options?: WaitOptions): Promise<Buffer | undefined> {
    return this.#owner.call('read', [key], options);
  }

  async getMany(keys: readonly string[], options?: WaitOptions): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    const missing: string[] = [];
    for (const key of new Set(keys)) {
      // `has` first: the owner, which is asked for the misses, counts them.
      const value = this.#l1.has(key) ? this.peek(key) : undefined;
      if (value === undefined) missing.push(key);
      else found.set(key, value);
    }
    if (missing.length === 0) return found;
    for (const [key, value] of await this.#owner.call('readMany', [missing], options)) found.set(key, value);
    return found;
  }
}
