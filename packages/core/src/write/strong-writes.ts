import type { SharedLRU } from 'sharedarraybuffer-lru';
import type { Coherence } from '../coherence/coherence.js';
import type { Begun, L2 } from '../l2/l2.js';
import type { TierOutcome } from '../l2/shared-tier.js';
import type { Reader } from '../read/reader.js';
import type { Intent, Intents } from './intents.js';

export interface StrongWritesParts {
  l1: SharedLRU;
  l2: L2 | undefined;
  reader: Reader;
  coherence: Coherence | undefined;
  intents: Intents;
}

/** A strong write whose statement may run now. */
export interface StrongWrite {
  readonly key: string;
  readonly intent: Intent;
  /** Undefined without L2. */
  readonly begun: Begun | undefined;
}

/**
 * The caches' part of a strong write, before and after its statement: L2, then L1, then the other nodes. See
 * `l2/tier-scripts.ts` for why a write begins.
 */
export class StrongWrites {
  readonly #parts: StrongWritesParts;

  constructor(parts: StrongWritesParts) {
    this.#parts = parts;
  }

  /** @throws StoreError when Redis is away and that cannot be recorded */
  async begin(keys: readonly string[]): Promise<StrongWrite[]> {
    const { l2, coherence, intents } = this.#parts;
    const writes = await Promise.all(
      keys.map(async (key): Promise<StrongWrite> => {
        const intent = intents.open(key);
        return { key, intent, begun: await l2?.begin(key) };
      }),
    );
    if (writes.some(({ begun }) => begun?.isMarked === false)) {
      try {
        await coherence?.recordOwing();
      } catch (error) {
        await this.undo(writes);
        throw error;
      }
    }
    return writes;
  }

  /** The statement changed nothing. */
  async undo(writes: readonly StrongWrite[]): Promise<void> {
    const { l2, intents } = this.#parts;
    for (const { intent } of writes) intents.close(intent);
    await Promise.all(writes.map(({ begun }) => begun && l2?.end(begun, { mode: 'undo' })));
  }

  /** The statement is committed: the value is what the database has. */
  async set(write: StrongWrite, value: Uint8Array, ttlMs: number): Promise<void> {
    await this.#end(write, { mode: 'set', value, ttlMs }, () => this.#keep(write, value, ttlMs));
  }

  /** Replaces what is cached, if anything is, and keeps its remaining time to live. */
  async replace(write: StrongWrite, value: Uint8Array): Promise<void> {
    const { l1 } = this.#parts;
    await this.#end(write, { mode: 'replace', value }, () => {
      const ttlMs = l1.remainingTtl(write.key);
      if (ttlMs === undefined) l1.delete(write.key);
      else this.#keep(write, value, ttlMs);
    });
  }

  /** Nothing is cached any more: the row is gone, or nobody knows what it is. */
  async drop(writes: readonly StrongWrite[]): Promise<void> {
    await Promise.all(
      writes.map((write) => this.#end(write, { mode: 'drop' }, () => this.#parts.l1.delete(write.key))),
    );
  }

  async #end(write: StrongWrite, outcome: TierOutcome, keep: () => void): Promise<void> {
    const { l1, l2, reader, coherence, intents } = this.#parts;
    const { key, intent, begun } = write;
    const end = begun === undefined ? 'done' : await l2?.end(begun, outcome);
    // In one turn with the check: what another node tells comes before it, or deletes what is put here. Either
    // way the key's generation is raised, so that nothing that was read before is filled.
    if (intent.isOvertaken || end === 'conflict') l1.delete(key);
    else keep();
    intents.close(intent);
    reader.supersede(key);
    await coherence?.publish([key]);
  }

  #keep({ key, intent }: StrongWrite, value: Uint8Array, ttlMs: number): void {
    const { l1, coherence } = this.#parts;
    const ttl = coherence?.l1Ttl(ttlMs, intent.sinceMs) ?? ttlMs;
    if (ttl > 0) l1.set(key, value, { ttl });
    else l1.delete(key);
  }
}
