import type { AuditLink } from './audit-link.js';
import { type Copy, decodeReply, encodeRequest, type Loaded } from './audit-message.js';
import type { KeyLook } from './judge.js';
import type { Roster } from './roster.js';
import type { SharedCopies, SharedCopy } from './shared-copies.js';

export interface FleetViewParts {
  readonly link: AuditLink;
  readonly shared: SharedCopies;
  readonly roster: Roster;
  /** Longest wait for nodes' answers, milliseconds. */
  readonly timeoutMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What all nodes, L2 and the database have of some keys at about one moment. */
export interface Look {
  /** Everything was seen between the two, monotonic milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  /** Nodes that told their copies. */
  readonly answered: ReadonlySet<string>;
  readonly byKey: ReadonlyMap<string, KeyLook>;
}

/** Between two looks at the list of members, milliseconds. */
const ROSTER_MS = 1_000;
/** Nodes that are asked to load the same keys, one after the other, when some are busy. */
const MAX_LOADERS = 2;

/** Sees a fleet through its link, its L2 and its nodes' loaders. */
export class FleetView {
  readonly #parts: FleetViewParts;
  #rosterAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: FleetViewParts) {
    this.#parts = parts;
  }

  /** Up to `count` keys that nodes have in L1 or that L2 has, in random order. @throws StoreError, Error */
  async sample(count: number): Promise<string[]> {
    await this.#meet();
    const { link, shared, roster, timeoutMs } = this.#parts;
    const { responsive, present } = roster;
    const each = Math.ceil(count / (present.size + 1));
    const [replies, keys] = await Promise.all([
      link.request(undefined, encodeRequest({ kind: 'sample', count: each }), responsive, timeoutMs),
      shared.sample(each),
    ]);
    const found = new Set(keys);
    for (const [instance, body] of replies) {
      const reply = decodeReply(body, 0);
      if (reply?.kind !== 'sample') continue;
      roster.name(instance, reply.name);
      for (const key of reply.keys) found.add(key);
    }
    return shuffled([...found]).slice(0, count);
  }

  /** @throws StoreError, and Error when Redis does not answer */
  async look(keys: readonly string[]): Promise<Look> {
    await this.#meet();
    const startMs = this.#parts.now();
    const [byNode, shared, truths] = await Promise.all([
      this.#copies(keys),
      this.#parts.shared.read(keys),
      this.#truths(keys),
    ]);
    const byKey = new Map<string, KeyLook>();
    for (const [at, key] of keys.entries()) {
      const copies = new Map<string, Copy>();
      for (const [instance, list] of byNode) {
        const copy = list[at];
        if (copy !== undefined) copies.set(instance, copy);
      }
      const truth = truths?.[at];
      const sharedCopy: SharedCopy | undefined = shared.get(key);
      byKey.set(key, { copies, shared: sharedCopy, truth: truth === 'failed' ? undefined : truth });
    }
    return { startMs, endMs: this.#parts.now(), answered: new Set(byNode.keys()), byKey };
  }

  async #meet(): Promise<void> {
    const { link, roster, now } = this.#parts;
    if (now() - this.#rosterAtMs < ROSTER_MS) return;
    roster.meet(await link.nodes());
    this.#rosterAtMs = now();
  }

  async #copies(keys: readonly string[]): Promise<Map<string, readonly (Copy | undefined)[]>> {
    const { link, roster, timeoutMs } = this.#parts;
    const body = encodeRequest({ kind: 'copies', keys });
    const byNode = new Map<string, readonly (Copy | undefined)[]>();
    for (const [instance, bytes] of await link.request(undefined, body, roster.responsive, timeoutMs)) {
      const reply = decodeReply(bytes, keys.length);
      if (reply?.kind === 'copies') byNode.set(instance, reply.copies);
    }
    roster.count(new Set(byNode.keys()));
    return byNode;
  }

  /** Undefined: every node that was asked is busy, or does not answer. */
  async #truths(keys: readonly string[]): Promise<readonly Loaded[] | undefined> {
    const { link, roster, timeoutMs } = this.#parts;
    const body = encodeRequest({ kind: 'load', keys });
    for (const instance of shuffled([...roster.responsive]).slice(0, MAX_LOADERS)) {
      const replies = await link.request(instance, body, new Set([instance]), timeoutMs);
      const bytes = replies.get(instance);
      const reply = bytes && decodeReply(bytes, keys.length);
      if (reply?.kind === 'load') return reply.loaded;
    }
    return undefined;
  }
}

function shuffled<T>(list: T[]): T[] {
  for (let at = list.length - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    [list[at], list[other]] = [list[other] as T, list[at] as T];
  }
  return list;
}
