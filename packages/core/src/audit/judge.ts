import type { Copy, Loaded } from './audit-message.js';
import type { SharedCopy } from './shared-copies.js';

/** What was seen of a key at about one moment. */
export interface KeyLook {
  /** L1 copies by the instance of the node; of nodes that answered. */
  readonly copies: ReadonlyMap<string, Copy>;
  readonly shared: SharedCopy | undefined;
  /** Undefined: no node could tell what the database has. */
  readonly truth: Exclude<Loaded, 'failed'> | undefined;
}

/** Where the copy in L2 is; the others are at nodes. */
export const L2_PLACE = 'L2';

/**
 * What a copy was held against. `database`: what a loader builds now. `L2`: the caches alone have the value,
 * or it is ahead of the database. `copies`: the same, and L2 has none. `nothing`: neither L2 nor the database
 * has the key.
 */
export type Reference = 'database' | 'L2' | 'copies' | 'nothing';

export interface Verdict {
  readonly reference: Reference | undefined;
  /** Copies that were held against it. */
  readonly compared: number;
  /** By place. */
  readonly differing: ReadonlyMap<string, Copy>;
  /** All copies are alike, and the loader builds something else. */
  readonly isUnlike: boolean;
}

export interface Rules {
  /** The application caches what its loader builds. */
  readonly isExact: boolean;
  /** Redis drops keys for want of memory: that it lacks one means nothing. */
  readonly isEvicting: boolean;
}

/**
 * Which copies of a key are not what they should be.
 *
 * What the loader builds is the measure wherever it is known that the caches have the loader's bytes: one of
 * the copies has them, a loader put the copy into L2, the key is one of `zmsg_data`, or the auditor was told
 * so. Else an application may cache what its loader does not build, and copies are held against L2, or each
 * other.
 */
export function judge({ copies, shared, truth }: KeyLook, { isExact, isEvicting }: Rules): Verdict {
  let isUnlike = false;
  if (truth !== undefined && shared?.kind !== 'cached') {
    const all = new Map(copies);
    if (shared !== undefined) all.set(L2_PLACE, shared);
    if (truth.digest !== undefined) {
      const isBuilt = isExact || truth.isOwnTable || shared?.kind === 'loaded';
      if (isBuilt || [...all.values()].some(({ digest }) => digest === truth.digest)) {
        return compare(all, truth.digest, 'database');
      }
      isUnlike = true;
    } else if (shared?.kind === 'loaded') {
      return compare(all, undefined, 'database');
    } else if (shared === undefined && !isEvicting) {
      return compare(all, undefined, 'nothing');
    }
  }
  const verdict = amongCopies(copies, shared);
  return { ...verdict, isUnlike: isUnlike && verdict.differing.size === 0 };
}

function amongCopies(copies: ReadonlyMap<string, Copy>, shared: SharedCopy | undefined): Verdict {
  if (shared !== undefined) return compare(copies, shared.digest, 'L2');
  if (copies.size < 2) return compare(new Map(), undefined, 'copies');
  return compare(copies, mostCommon(copies), 'copies');
}

function compare(
  copies: ReadonlyMap<string, Copy>,
  digest: string | undefined,
  reference: Reference,
): Verdict {
  return {
    reference: copies.size === 0 ? undefined : reference,
    compared: copies.size,
    differing: new Map([...copies].filter(([, copy]) => copy.digest !== digest)),
    isUnlike: false,
  };
}

function mostCommon(copies: ReadonlyMap<string, Copy>): string | undefined {
  const counts = new Map<string, number>();
  for (const { digest } of copies.values()) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  let most: string | undefined;
  for (const [digest, count] of counts) {
    if (most === undefined || count > (counts.get(most) as number)) most = digest;
  }
  return most;
}
