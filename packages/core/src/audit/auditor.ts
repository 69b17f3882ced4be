import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditReport } from './audit-report.js';
import type { FleetView, Look } from './fleet-view.js';
import { FollowUp } from './follow-up.js';
import { judge } from './judge.js';
import type { Roster } from './roster.js';
import { Tally } from './tally.js';

/** Bounds of an audit, checked. */
export interface AuditBounds {
  /** Looked at first, once each. */
  readonly keys: readonly string[];
  /** Further keys, drawn at random. */
  readonly samples: number;
  /** Longest time in which keys are drawn, milliseconds. */
  readonly samplingMs: number;
  /** Most looks at a key per second. */
  readonly rate: number;
  /** Stale beyond it is an inconsistency, milliseconds. */
  readonly boundMs: number;
  readonly settleMs: number;
  readonly followMs: number;
  readonly exactPrefixes: readonly string[];
}

export interface AuditorParts {
  readonly view: FleetView;
  readonly roster: Roster;
  readonly invalidatedMs: (key: string) => number | undefined;
  readonly isEvicting: boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Keys of one look. */
const MAX_BATCH = 100;
const MAX_FOLLOWED = 1_000;

/** Draws keys, looks at them, and follows what differs: one look after the other, at a bounded rate. */
export class Auditor {
  readonly #bounds: AuditBounds;
  readonly #parts: AuditorParts;
  readonly #tally: Tally;
  readonly #follow: FollowUp;
  readonly #batch: number;
  readonly #given: string[];
  #drawn: string[] = [];
  #toDraw: number;

  constructor(bounds: AuditBounds, parts: AuditorParts) {
    this.#bounds = bounds;
    this.#parts = parts;
    this.#given = [...new Set(bounds.keys)];
    this.#toDraw = bounds.samples;
    this.#batch = Math.max(1, Math.min(MAX_BATCH, Math.ceil(bounds.rate / 2)));
    this.#tally = new Tally(bounds.boundMs);
    this.#follow = new FollowUp({
      settleMs: bounds.settleMs,
      followMs: bounds.followMs,
      maxKeys: MAX_FOLLOWED,
      onDifference: (difference) => this.#tally.stale(difference),
      onUnlike: (key) => this.#tally.unlike(key),
    });
  }

  /** @throws StoreError, and Error when Redis does not answer */
  async run(): Promise<AuditReport> {
    const { now, view, roster } = this.#parts;
    const startedAtMs = Date.now();
    const startMs = now();
    let looked = 0;
    for (;;) {
      const due = this.#follow.due(now(), this.#batch);
      const fresh = await this.#draw(this.#batch - due.length, startMs);
      const keys = [...due, ...fresh];
      if (keys.length > 0) {
        this.#take(await view.look(keys), new Set(fresh));
        looked += keys.length;
      }
      const nextMs = this.#nextMs(startMs, looked);
      if (nextMs === undefined) break;
      await sleep(Math.max(0, nextMs - now()));
    }
    this.#follow.endAll();
    return this.#tally.report({ startedAtMs, durationMs: now() - startMs }, roster, this.#follow);
  }

  /** Up to `count` keys that are not followed already. */
  async #draw(count: number, startMs: number): Promise<string[]> {
    if (count === 0) return [];
    if (this.#given.length > 0) return this.#given.splice(0, count);
    const { view, now } = this.#parts;
    if (now() - startMs >= this.#bounds.samplingMs) {
      this.#toDraw = 0;
      this.#drawn = [];
    }
    if (this.#drawn.length === 0 && this.#toDraw > 0) {
      const sample = await view.sample(Math.min(2 * MAX_BATCH, this.#toDraw));
      this.#drawn = sample.filter((key) => !this.#follow.has(key));
      // Nothing is cached: there is nothing to be drawn later, either.
      this.#toDraw = sample.length === 0 ? 0 : this.#toDraw - this.#drawn.length;
    }
    return this.#drawn.splice(0, count);
  }

  #take(look: Look, fresh: ReadonlySet<string>): void {
    const { exactPrefixes } = this.#bounds;
    const { isEvicting, invalidatedMs } = this.#parts;
    const { startMs, endMs, answered } = look;
    for (const [key, keyLook] of look.byKey) {
      const isExact = exactPrefixes.some((prefix) => key.startsWith(prefix));
      const verdict = judge(keyLook, { isExact, isEvicting });
      if (fresh.has(key)) this.#tally.count(keyLook, verdict);
      const sight = { key, look: keyLook, verdict, answered, startMs, endMs };
      this.#follow.see({ ...sight, invalidatedMs: invalidatedMs(key) });
    }
  }

  /** When to look again; undefined: there is nothing left to look at. */
  #nextMs(startMs: number, looked: number): number | undefined {
    const pacedMs = startMs + (looked * 1_000) / this.#bounds.rate;
    if (this.#given.length + this.#drawn.length + this.#toDraw > 0) return pacedMs;
    const dueMs = this.#follow.nextDueMs;
    return dueMs === undefined ? undefined : Math.max(pacedMs, dueMs);
  }
}
