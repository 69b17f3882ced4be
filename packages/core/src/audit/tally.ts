import type { AuditReport, StaleCopy } from './audit-report.js';
import type { Difference, FollowUp } from './follow-up.js';
import { type KeyLook, L2_PLACE, type Reference, type Verdict } from './judge.js';
import type { Roster } from './roster.js';

const MAX_FINDINGS = 1_000;
const MAX_UNLIKE = 10;

/** Adds up what an audit finds. */
export class Tally {
  readonly #boundMs: number;
  readonly #comparedWith: Record<Reference, number> = { database: 0, L2: 0, copies: 0, nothing: 0 };
  readonly #beyond: StaleCopy[] = [];
  readonly #within: StaleCopy[] = [];
  readonly #compared = new Map<string, number>();
  readonly #stale = new Map<string, number>();
  readonly #unlikeKeys: string[] = [];
  sampled = 0;
  #staleCount = 0;
  #beyondCount = 0;
  #alone = 0;
  #unlike = 0;
  #unloaded = 0;

  constructor(boundMs: number) {
    this.#boundMs = boundMs;
  }

  /** The first look at a key. */
  count({ copies, shared, truth }: KeyLook, { reference, compared }: Verdict): void {
    this.sampled += 1;
    if (truth === undefined && shared?.kind !== 'cached' && copies.size > 0) this.#unloaded += 1;
    const all = copies.size + (shared === undefined ? 0 : 1);
    if (reference === undefined) {
      if (all === 1) this.#alone += 1;
      return;
    }
    this.#comparedWith[reference] += compared;
    for (const place of copies.keys()) add(this.#compared, place);
    if (compared > copies.size) add(this.#compared, L2_PLACE);
  }

  stale({ place, ...difference }: Difference): void {
    const isShared = place === L2_PLACE;
    const copy: StaleCopy = {
      ...difference,
      tier: isShared ? 'L2' : 'L1',
      instance: isShared ? undefined : place,
    };
    const isBeyond = difference.ageMs >= this.#boundMs;
    this.#staleCount += 1;
    if (isBeyond) this.#beyondCount += 1;
    add(this.#stale, place);
    const list = isBeyond ? this.#beyond : this.#within;
    if (list.length < MAX_FINDINGS) list.push(copy);
  }

  unlike(key: string): void {
    this.#unlike += 1;
    if (this.#unlikeKeys.length < MAX_UNLIKE) this.#unlikeKeys.push(key);
  }

  report(
    { startedAtMs, durationMs }: Pick<AuditReport, 'startedAtMs' | 'durationMs'>,
    roster: Roster,
    { inFlight, ahead, unfollowed }: FollowUp,
  ): AuditReport {
    const compared = Object.values(this.#comparedWith).reduce((sum, each) => sum + each, 0);
    const at = (place: string) => ({
      compared: this.#compared.get(place) ?? 0,
      stale: this.#stale.get(place) ?? 0,
    });
    return {
      isConsistent: this.#beyondCount === 0,
      startedAtMs,
      durationMs,
      boundMs: this.#boundMs,
      sampled: this.sampled,
      compared,
      comparedWith: { ...this.#comparedWith },
      // A key that changes while it is followed can be found more often than it was compared.
      consistent: Math.max(0, compared - this.#staleCount),
      nodes: roster.list().map((node) => ({ ...node, ...at(node.instance) })),
      l2: at(L2_PLACE),
      stale: this.#staleCount,
      staleBeyondBound: this.#beyondCount,
      findings: [...this.#beyond, ...this.#within].sort((a, b) => b.ageMs - a.ageMs),
      inFlight,
      ahead,
      alone: this.#alone,
      unlike: this.#unlike,
      unlikeKeys: [...this.#unlikeKeys],
      unloaded: this.#unloaded,
      unfollowed,
    };
  }
}

function add(counts: Map<string, number>, place: string): void {
  counts.set(place, (counts.get(place) ?? 0) + 1);
}
