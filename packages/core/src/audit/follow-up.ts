import type { Copy } from './audit-message.js';
import { type KeyLook, L2_PLACE, type Reference, type Verdict } from './judge.js';

/** A key as it was seen by one look. Times are monotonic milliseconds. */
export interface Sight {
  readonly key: string;
  readonly look: KeyLook;
  readonly verdict: Verdict;
  /** Nodes that told what they have. */
  readonly answered: ReadonlySet<string>;
  /** What was seen was there at some moment between the two. */
  readonly startMs: number;
  readonly endMs: number;
  /** When it was last heard that somebody wrote or deleted the key. */
  readonly invalidatedMs: number | undefined;
}

/** A copy that was not what it should be, in more than one look. */
export interface Difference {
  readonly key: string;
  /** Instance of a node, or `L2_PLACE`. */
  readonly place: string;
  readonly against: Reference;
  /** It was wrong for at least so long, milliseconds. */
  readonly ageMs: number;
  /** And so long after the last write or delete of the key that was heard of. */
  readonly sinceInvalidationMs: number | undefined;
  /** It was seen to be replaced or deleted. */
  readonly isGone: boolean;
}

export interface FollowUpOptions {
  /** Before the second look, milliseconds. */
  readonly settleMs: number;
  /** Longest time that a difference is followed, milliseconds. */
  readonly followMs: number;
  readonly maxKeys: number;
  readonly onDifference: (difference: Difference) => void;
  /** All copies of the key are alike and not what the loader builds, in two looks. */
  readonly onUnlike: (key: string) => void;
}

interface Suspect {
  readonly copy: Copy;
  readonly against: Reference;
  readonly firstMs: number;
  lastMs: number;
  invalidatedMs: number | undefined;
}

interface Followed {
  readonly suspects: Map<string, Suspect>;
  isUnlike: boolean;
  dueMs: number;
  delayMs: number;
  readonly endMs: number;
}

const MAX_DELAY_MS = 1_000;

/**
 * What becomes of the differences that looks find. A key is followed from its first one:
 *
 *     seen ──again, the same copy──▶ stale ──copy replaced, or time is over──▶ told (`onDifference`)
 *      │                               └──the reference has become like it──▶ ahead: it was never old
 *      └──not again──▶ in flight: a write was under way
 *
 * A copy is the same if nobody has written it in between: the same bytes and the same expiry. So a key that
 * changes between two values is not taken for one that stays at the wrong one.
 */
export class FollowUp {
  readonly #options: FollowUpOptions;
  readonly #keys = new Map<string, Followed>();
  /** Differences of one look. */
  inFlight = 0;
  /** Copies that the database came to agree with. */
  ahead = 0;
  /** Keys that were not followed, since too many were. */
  unfollowed = 0;

  constructor(options: FollowUpOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#keys.size;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Keys to be looked at now. */
  due(nowMs: number, max: number): string[] {
    const keys: string[] = [];
    for (const [key, { dueMs }] of this.#keys) {
      if (keys.length >= max) break;
      if (dueMs <= nowMs) keys.push(key);
    }
    return keys;
  }

  /** Undefined: none is followed. */
  get nextDueMs(): number | undefined {
    let next: number | undefined;
    for (const { dueMs } of this.#keys.values()) if (next === undefined || dueMs < next) next = dueMs;
    return next;
  }

  see(sight: Sight): void {
    const { key, verdict, endMs } = sight;
    let followed = this.#keys.get(key);
    if (followed === undefined) {
      if (verdict.differing.size === 0 && !verdict.isUnlike) return;
      if (this.#keys.size >= this.#options.maxKeys) {
        this.unfollowed += 1;
        return;
      }
      const { settleMs, followMs } = this.#options;
      followed = {
        suspects: new Map(),
        isUnlike: verdict.isUnlike,
        dueMs: endMs + settleMs,
        delayMs: settleMs,
        endMs: endMs + followMs,
      };
      this.#keys.set(key, followed);
      this.#suspectAll(followed, sight);
      return;
    }
    // What the database has is not known this time.
    const isBlind = sight.look.truth === undefined && sight.look.shared?.kind !== 'cached';
    if (!isBlind) {
      if (followed.isUnlike && verdict.isUnlike) this.#options.onUnlike(key);
      followed.isUnlike = false;
      for (const [place, suspect] of followed.suspects) this.#seeAgain(followed, place, suspect, sight);
      this.#suspectAll(followed, sight);
    }
    if (endMs >= followed.endMs) this.#end(key, followed);
    else if (followed.suspects.size === 0 && !followed.isUnlike) this.#keys.delete(key);
    else {
      followed.delayMs = Math.min(2 * followed.delayMs, MAX_DELAY_MS);
      followed.dueMs = Math.min(endMs + followed.delayMs, followed.endMs);
    }
  }

  /** The audit is over. */
  endAll(): void {
    for (const [key, followed] of this.#keys) this.#end(key, followed);
  }

  #suspectAll(followed: Followed, { verdict, endMs, invalidatedMs }: Sight): void {
    for (const [place, copy] of verdict.differing) {
      if (followed.suspects.has(place)) continue;
      const against = verdict.reference ?? 'nothing';
      followed.suspects.set(place, { copy, against, firstMs: endMs, lastMs: endMs, invalidatedMs });
    }
  }

  #seeAgain(followed: Followed, place: string, suspect: Suspect, sight: Sight): void {
    const { key, look, verdict, answered, startMs } = sight;
    const isShared = place === L2_PLACE;
    if (!isShared && !answered.has(place)) return; // as it was, for all that is known
    const copy = isShared ? look.shared : look.copies.get(place);
    if (copy === undefined || !isSame(copy, suspect.copy)) {
      followed.suspects.delete(place);
      this.#tell(key, place, suspect, true);
    } else if (verdict.differing.has(place)) {
      suspect.lastMs = Math.max(suspect.lastMs, startMs);
      suspect.invalidatedMs = sight.invalidatedMs;
    } else {
      followed.suspects.delete(place);
      if (suspect.lastMs > suspect.firstMs) this.ahead += 1;
      else this.inFlight += 1;
    }
  }

  #end(key: string, followed: Followed): void {
    this.#keys.delete(key);
    for (const [place, suspect] of followed.suspects) this.#tell(key, place, suspect, false);
  }

  #tell(key: string, place: string, suspect: Suspect, isGone: boolean): void {
    const { against, firstMs, lastMs, invalidatedMs } = suspect;
    if (lastMs <= firstMs) {
      this.inFlight += 1;
      return;
    }
    this.#options.onDifference({
      key,
      place,
      against,
      ageMs: lastMs - firstMs,
      sinceInvalidationMs: invalidatedMs === undefined ? undefined : Math.max(0, lastMs - invalidatedMs),
      isGone,
    });
  }
}

/** Clocks are read in two steps, so an expiry that did not change may seem to by some milliseconds. */
const EXPIRY_TOLERANCE_MS = 20;

function isSame(a: Copy, b: Copy): boolean {
  if (a.digest !== b.digest) return false;
  return a.expiresAtMs === b.expiresAtMs || Math.abs(a.expiresAtMs - b.expiresAtMs) <= EXPIRY_TOLERANCE_MS;
}
