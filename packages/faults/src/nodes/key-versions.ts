import { processOf } from './audit-record.js';
import type { AuditedWrite, ProcessHistory } from './history.js';

/** A row of the commit log, its time on the monotonic clock. */
export interface Commit {
  readonly key: number;
  readonly write: number;
  readonly isDeletion: boolean;
  readonly atMs: number;
}

export interface Version {
  readonly write: number;
  readonly process: number;
  readonly isDeletion: boolean;
  readonly begunMs: number;
  /** Acknowledged by its own process; Infinity: never. */
  readonly doneMs: number;
  /**
   * From here on whoever reads must get this version or a newer one: acknowledged; or committed, and its caller
   * was told that nobody knows, or died.
   */
  readonly knownMs: number;
}

/** The versions of one key in their order, the first of them from before the run. */
export class KeyVersions {
  readonly versions: readonly Version[];
  /** For each version: when the first of all newer ones was known. */
  readonly supersededMs: Float64Array;
  readonly #places = new Map<number, number>();
  readonly #deletions: number[] = [];

  constructor(versions: readonly Version[]) {
    this.versions = versions;
    this.supersededMs = new Float64Array(versions.length);
    let first = Number.POSITIVE_INFINITY;
    for (let at = versions.length - 1; at >= 0; at -= 1) {
      const { write, knownMs } = versions[at] as Version;
      this.supersededMs[at] = first;
      first = Math.min(first, knownMs);
      this.#places.set(write, at);
    }
    for (const [at, { isDeletion }] of versions.entries()) if (isDeletion) this.#deletions.push(at);
  }

  placeOf(write: number): number | undefined {
    return this.#places.get(write);
  }

  /** The newest deletion that had begun by then: what a read that found nothing may have seen. */
  deletionBefore(endMs: number): number | undefined {
    return this.#deletions.findLast((at) => (this.versions[at] as Version).begunMs <= endMs);
  }
}

/** The order in which the database committed. */
export function committedVersions(
  key: number,
  commits: readonly Commit[],
  writes: ReadonlyMap<number, AuditedWrite>,
  processes: ReadonlyMap<number, ProcessHistory>,
): KeyVersions {
  const versions = commits.map(({ write, isDeletion, atMs }): Version => {
    const { begunMs, doneMs, failedMs } = writes.get(write) as AuditedWrite;
    const process = processOf(write);
    const endMs = doneMs ?? failedMs ?? processes.get(process)?.diedMs ?? Number.POSITIVE_INFINITY;
    // What was sent may be committed after its caller has given up.
    const knownMs = doneMs ?? Math.max(endMs, atMs);
    return { write, process, isDeletion, begunMs, doneMs: doneMs ?? Number.POSITIVE_INFINITY, knownMs };
  });
  return new KeyVersions([firstVersion(key), ...versions]);
}

/** The order in which the key's only writer made them; those that were not acknowledged may be there or not. */
export function ownVersions(
  key: number,
  own: readonly (readonly [number, AuditedWrite])[],
  isThereFirst: boolean,
): KeyVersions {
  const versions = [...own]
    .sort(([a], [b]) => a - b)
    .map(([write, { begunMs, doneMs = Number.POSITIVE_INFINITY }]): Version => {
      const process = processOf(write);
      return { write, process, isDeletion: false, begunMs, doneMs, knownMs: doneMs };
    });
  return new KeyVersions(isThereFirst ? [firstVersion(key), ...versions] : versions);
}

/** Put into the table before the first node was opened. */
function firstVersion(key: number): Version {
  const before = Number.NEGATIVE_INFINITY;
  return { write: key, process: 0, isDeletion: false, begunMs: before, doneMs: before, knownMs: before };
}
