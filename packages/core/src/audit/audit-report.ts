import type { NodeName } from './audit-message.js';
import type { Reference } from './judge.js';

/** What an audit found. */
export interface AuditReport {
  /** No copy was seen to be stale for longer than the bound. */
  readonly isConsistent: boolean;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly boundMs: number;
  /** Keys that were looked at; one that was drawn twice counts twice. */
  readonly sampled: number;
  /** Copies in L1 and L2 that were held against something, by what it was. */
  readonly compared: number;
  readonly comparedWith: Readonly<Record<Reference, number>>;
  /** `compared` without those of `stale`. */
  readonly consistent: number;
  readonly nodes: readonly AuditedNode[];
  /** Copies in L2. */
  readonly l2: { readonly compared: number; readonly stale: number };
  /** Copies that were seen to be stale in more than one look, and those of them that were so beyond the bound. */
  readonly stale: number;
  readonly staleBeyondBound: number;
  /** The first 1,000 beyond the bound, and the first 1,000 others; the oldest first. */
  readonly findings: readonly StaleCopy[];
  /** Differences that a second look did not find again: writes that were under way. */
  readonly inFlight: number;
  /** Copies that were newer than what the database had. */
  readonly ahead: number;
  /** Copies alone in the caches: there was nothing to hold them against. */
  readonly alone: number;
  /** Keys whose copies are all alike and not what their loader builds; the first 10 by name. */
  readonly unlike: number;
  readonly unlikeKeys: readonly string[];
  /** Keys of which no node could tell what the database has. */
  readonly unloaded: number;
  /** Keys with differences that were not followed, since too many were. */
  readonly unfollowed: number;
}

export interface AuditedNode {
  /** Hexadecimal; new each time that an engine is opened. */
  readonly instance: string;
  /** Undefined: it has never answered. */
  readonly name: NodeName | undefined;
  /** Looks that it was asked for, and those that it told its copies for. */
  readonly asked: number;
  readonly answered: number;
  readonly compared: number;
  readonly stale: number;
}

export interface StaleCopy {
  readonly key: string;
  readonly tier: 'L1' | 'L2';
  /** Instance of the node; undefined for L2. */
  readonly instance: string | undefined;
  readonly against: Reference;
  /** It was stale for at least so long, milliseconds. */
  readonly ageMs: number;
  /** The same from the last write or delete of the key that was heard of; undefined: none was. */
  readonly sinceInvalidationMs: number | undefined;
  /** It was seen to be replaced or deleted. */
  readonly isGone: boolean;
}
