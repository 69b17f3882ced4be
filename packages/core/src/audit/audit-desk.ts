import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SharedLRU } from 'sharedarraybuffer-lru';
import type { Loaders } from '../load/loaders.js';
import type { Store } from '../store/store.js';
import {
  type AuditReply,
  type Copy,
  decodeRequest,
  encodeReply,
  type Loaded,
  type NodeName,
} from './audit-message.js';
import { digestOf } from './digest.js';

export interface AuditDeskParts {
  readonly l1: Pick<SharedLRU, 'get' | 'remainingTtl' | 'sample'>;
  readonly loaders: Loaders;
  /** The primary database: a replica may be behind. */
  readonly store: Store;
  readonly name: () => NodeName;
}

/** Hashed between two turns of the event loop; some milliseconds. */
const TURN_BYTES = 2 ** 20;
/** Requests about L1 that are answered at one time. */
const MAX_AT_ONCE = 2;

/**
 * Where a node answers auditors. One query at a time, and few keys: whoever asks for more is told that the node
 * is busy.
 */
export class AuditDesk {
  readonly #parts: AuditDeskParts;
  #reading = 0;
  #isLoading = false;

  constructor(parts: AuditDeskParts) {
    this.#parts = parts;
  }

  /** Undefined: that is no request. Never rejects. */
  async answer(bytes: Buffer): Promise<Buffer | undefined> {
    const request = decodeRequest(bytes);
    if (request === undefined) return undefined;
    if (request.kind === 'load') {
      if (this.#isLoading) return encodeReply({ kind: 'busy' });
      this.#isLoading = true;
      const loaded = await this.#load(request.keys).finally(() => {
        this.#isLoading = false;
      });
      return encodeReply({ kind: 'load', loaded });
    }
    if (this.#reading >= MAX_AT_ONCE) return encodeReply({ kind: 'busy' });
    this.#reading += 1;
    const reply = await this.#read(request).finally(() => {
      this.#reading -= 1;
    });
    return encodeReply(reply);
  }

  async #read(
    request: { kind: 'sample'; count: number } | { kind: 'copies'; keys: readonly string[] },
  ): Promise<AuditReply> {
    const { l1, name } = this.#parts;
    if (request.kind === 'sample') {
      return { kind: 'sample', name: name(), keys: l1.sample(request.count) };
    }
    const copies: (Copy | undefined)[] = [];
    let hashed = 0;
    for (const key of request.keys) {
      const value = l1.get(key);
      const ttlMs = value && l1.remainingTtl(key);
      if (value === undefined || ttlMs === undefined) {
        copies.push(undefined);
        continue;
      }
      copies.push({ digest: digestOf(value).toString('hex'), expiresAtMs: Date.now() + ttlMs });
      hashed += value.length;
      if (hashed < TURN_BYTES) continue;
      hashed = 0;
      await nextTurn();
    }
    return { kind: 'copies', copies };
  }

  async #load(keys: readonly string[]): Promise<Loaded[]> {
    const { loaders, store } = this.#parts;
    const loaded = new Map<string, Loaded>();
    for (const group of loaders.direct(keys, store)) {
      let values: ReadonlyMap<string, Buffer>;
      try {
        values = await group.load();
      } catch {
        continue; // told to the auditor: of these keys nothing is known
      }
      let hashed = 0;
      for (const key of group.keys) {
        const value = values.get(key);
        loaded.set(key, {
          digest: value && digestOf(value).toString('hex'),
          isOwnTable: group.isOwnTable,
        });
        hashed += value?.length ?? 0;
        if (hashed < TURN_BYTES) continue;
        hashed = 0;
        await nextTurn();
      }
    }
    return keys.map((key) => loaded.get(key) ?? 'failed');
  }
}
