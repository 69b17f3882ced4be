import { setImmediate } from 'node:timers/promises';
import { ABSENT, DAMAGED, RECORD_DOUBLES, type RecordKind, unpackKind } from './audit-record.js';
import { Histogram } from './histogram.js';
import type { AuditedWrite, History, ProcessHistory } from './history.js';
import { type AuditedKey, isStrong, KEYS } from './key-space.js';
import {
  type Commit,
  committedVersions,
  type KeyVersions,
  ownVersions,
  type Version,
} from './key-versions.js';

export interface Finding {
  /**
   * `stale`: older than the bound allows. `own`: the process had itself written something newer. `wrong`: torn, of
   * another key, never written or committed, or not yet begun. `missed`: a message did not come, and nothing had
   * failed; reads are still within the bound then, since the next beat shows it.
   */
  readonly kind: 'stale' | 'own' | 'wrong' | 'missed';
  readonly detail: string;
}

/** A read is judged as if nothing were wrong when the last fault is so long over. */
const SETTLED_MS = 5_000;
/** Longest standstill of a busy machine; a longer one is the bench's own doing, and no excuse. */
const MAX_STALL_MS = 1_500;
/** A process has seen a write late or in time if it read the key so soon after it. */
const SEEN_WITHIN_MS = 100;
/** Of judging, before others get their turn: less than the proxies of the links add in their faults. */
const SLICE_MS = 5;
/** Of each kind. */
const MAX_FINDINGS = 10;

/** Compares what was read with what could be read, over a run of several rounds. */
export class Judge {
  readonly findings: Finding[] = [];
  /** Of each kind, since there may be more than are kept. */
  readonly counts = { stale: 0, own: 0, wrong: 0, missed: 0 };
  readonly reads = new Map<RecordKind, number>();
  staleReads = 0;
  /** Ages of stale reads, milliseconds: of keys that the database orders, and of those that only caches hold. */
  readonly strongAges = new Histogram();
  readonly eventualAges = new Histogram();
  /** From the acknowledgement to the last read of something older, per write and other process. */
  readonly seen = { trusted: new Histogram(), quiet: new Histogram(), all: new Histogram() };
  readonly #boundMs: number;

  constructor(boundMs: number) {
    this.#boundMs = boundMs;
  }

  /** Reads that were judged in every way. */
  get total(): number {
    let total = 0;
    for (const [kind, count] of this.reads) if (kind !== 'lateRead') total += count;
    return total;
  }

  /**
   * Judges, and forgets, what was read before `untilMs`. `commits`: all of the run, in order by key. By and by: what
   * nodes and Redis send each other goes through this process.
   */
  async judge(history: History, commits: readonly Commit[], untilMs: number): Promise<void> {
    const versions = versionsOf(history, commits);
    for (const [number, process] of history.processes) {
      const left: Float64Array[] = [];
      const seen = new Map<Version, number>();
      const toJudge = process.reads;
      process.reads = [];
      let since = performance.now();
      for (const records of toJudge) {
        // Not for each: on a busy machine a turn takes longer than many of them, and the nodes read on meanwhile.
        if (performance.now() - since > SLICE_MS) {
          await setImmediate();
          since = performance.now();
        }
        let kept = 0;
        for (let at = 0; at < records.length; at += RECORD_DOUBLES) {
          const { kind, key } = unpackKind(records[at] as number);
          const read = {
            kind,
            key,
            process: number,
            write: records[at + 1] as number,
            calledMs: records[at + 2] as number,
            answeredMs: records[at + 3] as number,
          };
          if (read.answeredMs < untilMs) {
            this.#one(read, versions[read.key] as KeyVersions, process, history, seen);
          } else {
            records.copyWithin(kept, at, at + RECORD_DOUBLES);
            kept += RECORD_DOUBLES;
          }
        }
        if (kept > 0) left.push(records.subarray(0, kept));
      }
      process.reads = [...left, ...process.reads];
      this.#addSeen(seen, history);
      this.#judgeMissed(process, history, untilMs);
    }
  }

  #one(
    read: Read,
    versions: KeyVersions,
    process: ProcessHistory,
    history: History,
    seen: Map<Version, number>,
  ): void {
    const { kind, write, calledMs } = read;
    const key = KEYS[read.key] as AuditedKey;
    this.reads.set(kind, (this.reads.get(kind) ?? 0) + 1);
    // What only the caches hold may be gone.
    if (write === ABSENT && key.kind === 'cached') return;
    const place = placeOf(read, versions);
    if (typeof place === 'string') {
      this.#find('wrong', place, read, history);
      return;
    }
    if (kind === 'lateRead') return;
    if (isStrong(key)) this.#see(read, versions, place, seen);

    const ageMs = calledMs - (versions.supersededMs[place] as number);
    if (!(ageMs > 0)) return;
    this.staleReads += 1;
    const since = calledMs - ageMs;
    if (!isStrong(key)) {
      this.eventualAges.add(ageMs);
      if (ageMs <= this.#boundMs) return;
      const stalls = [...history.processes.values()].map((each) => stalledMs(each, since, calledMs));
      const isBeyond = ageMs > this.#boundMs + Math.max(...stalls);
      // Sentinel may divide the nodes when the fault is long over: those then are in doubt.
      const nothingFailed =
        history.isQuiet(since - SETTLED_MS, calledMs) && history.isTrusted(since, calledMs);
      if (isBeyond && nothingFailed) {
        this.#find('stale', `${Math.round(ageMs)} ms old, and nothing had failed`, read, history, since);
      }
      return;
    }
    this.strongAges.add(ageMs);
    const own = versions.versions
      .slice(place + 1)
      .find(({ process: by, doneMs }) => by === read.process && doneMs < calledMs);
    if (own !== undefined) {
      const ago = Math.round(calledMs - own.doneMs);
      this.#find('own', `its process had written ${own.write} ${ago} ms before`, read, history, since);
    }
    if (ageMs > this.#boundMs + stalledMs(process, since, calledMs)) {
      this.#find('stale', `${Math.round(ageMs)} ms old`, read, history, since);
    }
  }

  /** Notes for each write that other processes made shortly before whether this read shows it. */
  #see(read: Read, { versions }: KeyVersions, place: number, seen: Map<Version, number>): void {
    for (let at = versions.length - 1; at > 0; at -= 1) {
      const version = versions[at] as Version;
      const ageMs = read.calledMs - version.doneMs;
      // Overlapping writes are acknowledged in any order, but not at very different times.
      if (ageMs > 10 * SEEN_WITHIN_MS && at <= place) return;
      if (ageMs <= 0 || version.process === read.process) continue;
      if (at > place) seen.set(version, Math.max(ageMs, seen.get(version) ?? 0));
      else if (ageMs < SEEN_WITHIN_MS && !seen.has(version)) seen.set(version, 0);
    }
  }

  #addSeen(seen: ReadonlyMap<Version, number>, history: History): void {
    for (const [{ doneMs }, ageMs] of seen) {
      this.seen.all.add(ageMs);
      const lastMs = doneMs + ageMs;
      if (!history.isQuiet(doneMs - SETTLED_MS, lastMs)) continue;
      this.seen.quiet.add(ageMs);
      if (history.isTrusted(doneMs, lastMs)) this.seen.trusted.add(ageMs);
    }
  }

  #judgeMissed(process: ProcessHistory, history: History, untilMs: number): void {
    const missed = process.missedMs;
    process.missedMs = missed.filter((atMs) => atMs >= untilMs);
    for (const atMs of missed) {
      if (atMs >= untilMs) continue;
      const sinceMs = atMs - SETTLED_MS;
      if (!history.isQuiet(sinceMs, atMs) || !history.isTrusted(sinceMs, atMs)) continue;
      this.#note(
        'missed',
        `node ${process.slot} missed messages at ${atMs.toFixed(1)}, and nothing had failed`,
      );
    }
  }

  #find(kind: Finding['kind'], what: string, read: Read, history: History, sinceMs = read.calledMs): void {
    const { process, write, calledMs, answeredMs } = read;
    const slot = history.processes.get(process)?.slot;
    const value = write === ABSENT ? 'nothing' : write === DAMAGED ? 'a damaged value' : `write ${write}`;
    const faults = history.faultsAround(sinceMs - SETTLED_MS, calledMs);
    const name = KEYS[read.key]?.name;
    const took = `called at ${calledMs.toFixed(1)}, answered after ${(answeredMs - calledMs).toFixed(1)} ms`;
    this.#note(
      kind,
      [
        `${read.kind} of ${name} by node ${slot} (process ${process}) gave ${value}: ${what}; ${took}`,
        `  faults around: ${faults.join(', ') || 'none'}`,
      ].join('\n'),
    );
  }

  #note(kind: Finding['kind'], detail: string): void {
    this.counts[kind] += 1;
    if (this.counts[kind] <= MAX_FINDINGS) this.findings.push({ kind, detail });
  }
}

interface Read {
  readonly kind: RecordKind;
  readonly key: number;
  readonly process: number;
  readonly write: number;
  readonly calledMs: number;
  readonly answeredMs: number;
}

/** The version that was read, or why that cannot be. */
function placeOf({ write, answeredMs }: Read, versions: KeyVersions): number | string {
  if (write === DAMAGED) return 'a torn or foreign value';
  const place = write === ABSENT ? versions.deletionBefore(answeredMs) : versions.placeOf(write);
  if (place !== undefined) {
    const { begunMs } = versions.versions[place] as Version;
    return begunMs > answeredMs ? 'a write that had not yet begun' : place;
  }
  return write === ABSENT ? 'no value of a key that was never deleted' : 'a write that never was';
}

function versionsOf(history: History, commits: readonly Commit[]): KeyVersions[] {
  const { writes, processes } = history;
  const committed = KEYS.map((): Commit[] => []);
  for (const commit of commits) committed[commit.key]?.push(commit);
  const own = KEYS.map((): [number, AuditedWrite][] => []);
  for (const entry of writes) own[entry[1].key]?.push(entry);
  return KEYS.map((key) =>
    isStrong(key)
      ? committedVersions(key.at, committed[key.at] ?? [], writes, processes)
      : ownVersions(key.at, own[key.at] ?? [], key.kind === 'periodic'),
  );
}

/** How long the process stood still in that time because the machine was busy. */
function stalledMs({ stalls }: ProcessHistory, fromMs: number, toMs: number): number {
  let sum = 0;
  for (const stall of stalls) {
    const lasted = stall.toMs - stall.fromMs;
    if (lasted <= MAX_STALL_MS && stall.toMs > fromMs && stall.fromMs < toMs) sum += lasted;
  }
  return sum;
}
