import type { Ledger } from './ledger.js';
import type { Snapshot } from './snapshot.js';
import { Tally } from './tally.js';

/**
 * What of a run must be in the database after recovery: all that was acknowledged, or only what a receipt
 * called committed (its log was damaged, or it was killed and had none).
 */
export type Kept = 'acknowledged' | 'applied';

export interface Violation {
  /** Too little, too much, never attempted; or a process that hung, died or did not come back. */
  readonly kind: 'lost' | 'double' | 'foreign' | 'failed';
  readonly item: string;
  /** Units: 3 for a counter that lacks 3. */
  readonly amount: number;
  readonly detail: string;
}

/**
 * Acknowledged ≤ applied ≤ attempted, per counter and per element.
 *
 * When a check has passed and no process is left, what is in the database is settled: from there on
 * nothing of earlier runs may come or go any more, so that a log that is replayed again cycles later
 * shows, too.
 */
export class Oracle {
  #settled = new Tally();
  #runs: { ledger: Ledger; kept: Kept }[] = [];
  readonly #ids = new Map<string, number>();
  #run = 0;

  /** A run whose ledger is complete. */
  add(ledger: Ledger, kept: Kept): Violation[] {
    this.#runs.push({ ledger, kept });
    this.#run += 1;
    const twice: Violation[] = [];
    for (const id of ledger.ids) {
      const run = this.#ids.get(id);
      if (run !== undefined) {
        const detail = `handed out by process ${run} and by process ${this.#run}`;
        twice.push({ kind: 'double', item: `id ${id}`, amount: 1, detail });
      }
      this.#ids.set(id, this.#run);
    }
    return twice;
  }

  /** Compares with the database; all runs are over and recovered from. */
  check(snapshot: Snapshot): Violation[] {
    const low = new Tally(this.#settled);
    const high = new Tally(this.#settled);
    for (const { ledger, kept } of this.#runs) {
      low.addAll(ledger[kept]);
      high.addAll(ledger.attempted);
    }
    const violations: Violation[] = [];
    for (const item of new Set([...high.keys(), ...snapshot.items.keys()])) {
      const found = snapshot.items.amountOf(item);
      const least = low.amountOf(item);
      const most = high.amountOf(item);
      const detail = `in the database ${found}, acknowledged ${least}, attempted ${most}`;
      if (found < least) violations.push({ kind: 'lost', item, amount: least - found, detail });
      else if (found > most) {
        const kind = high.has(item) ? 'double' : 'foreign';
        violations.push({ kind, item, amount: found - most, detail });
      }
    }
    this.#settled = new Tally(snapshot.items);
    this.#runs = [];
    return violations;
  }
}
