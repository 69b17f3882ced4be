import type { StoreError } from '../error.js';
import type { Attempt } from './attempt.js';
import { failureOf } from './failure.js';
import { Refusal } from './refusal.js';
import { toStoreError } from './session.js';
import type { Written } from './statement.js';
import type { FlushUnit } from './unit.js';
import type { UnmatchedTally } from './unmatched.js';

/** A group that PostgreSQL refused when it stood alone. */
export interface Condemned {
  readonly group: Written;
  readonly error: StoreError;
}

export interface IsolationOptions {
  /** Which unit was refused before: what comes ahead of it is not run twice. */
  readonly suspect: number | undefined;
  /** Check deferred constraints after each unit. */
  readonly checksConstraints: boolean;
}

export const SAVEPOINT = 'SAVEPOINT zmsg';
const SECURE = 'RELEASE SAVEPOINT zmsg; SAVEPOINT zmsg';
const BACK = 'ROLLBACK TO SAVEPOINT zmsg';

/** Statements that PostgreSQL can explain, and that any values are good for if they are for some. */
const EXPLAINABLE = /^\s*(?:INSERT|UPDATE|DELETE|WITH|SELECT|MERGE)\b/i;

/**
 * Writes units in a transaction so that what PostgreSQL refuses is left out, and nothing else.
 *
 * ```
 *  savepoint, units that ran since ─ a unit is refused ─▶ rolled back to it, those units run again
 *      ▲                                                       │ new savepoint
 *      └── savepoint behind it ◀─ halves, halves of halves … ◀─┘
 *                                  until a group stands alone: condemned
 * ```
 *
 * A unit is run again for the sake of others at most once, since a savepoint behind it follows. Of n
 * groups one that is refused costs about 3 log2 n round trips. What fails for another reason than its
 * task ends the whole transaction.
 */
export class Isolation {
  readonly condemned: Condemned[] = [];
  readonly #attempt: Attempt;
  readonly #tally: UnmatchedTally;
  readonly #options: IsolationOptions;
  /** Units that ran since the savepoint, with their groups that matched nothing. */
  #since: { unit: FlushUnit; unmatched: Written[] }[] = [];
  /** Texts that PostgreSQL refuses whatever their values. */
  readonly #hopeless = new Map<string, StoreError>();

  /** The transaction has to be at a new savepoint `zmsg`. */
  constructor(attempt: Attempt, tally: UnmatchedTally, options: IsolationOptions) {
    this.#attempt = attempt;
    this.#tally = tally;
    this.#options = options;
  }

  async run(units: Iterable<FlushUnit>): Promise<void> {
    let index = 0;
    for (const unit of units) {
      if (index === this.#options.suspect && index > 0) await this.#secure();
      await this.#write(unit);
      index += 1;
    }
    this.#settle();
  }

  async #write(unit: FlushUnit): Promise<void> {
    const hopeless = this.#isHopeless(unit);
    if (hopeless !== undefined) {
      this.#condemn(unit, hopeless);
      return;
    }
    const refusal = await this.#try(unit);
    if (refusal === undefined) return;
    const again = this.#since;
    await this.#goBack();
    // Each of them may be refused this time: others write, too.
    for (const { unit: earlier } of again) await this.#write(earlier);
    if (again.length > 0) await this.#secure();
    await this.#isolate(unit, refusal, new Set());
  }

  /** The unit was refused as a whole; the transaction is as before it, at a savepoint. */
  async #isolate(unit: FlushUnit, refusal: Refusal, explained: Set<string>): Promise<void> {
    if (await this.#isTextAtFault(unit, refusal, explained)) {
      this.#condemn(unit, refusal.error);
      return;
    }
    const size = unit.groups.length;
    if (size === 1) {
      await this.#judge(unit, refusal);
      return;
    }
    const middle = size >> 1;
    const right = unit.part(middle, size);
    const isLeftGood = await this.#writePart(unit.part(0, middle), explained);
    // Then it is in the other half: no need to see that refused as a whole.
    if (isLeftGood && size - middle > 1) await this.#isolate(right, refusal, explained);
    else await this.#writePart(right, explained);
  }

  /** At a savepoint, and leaves one behind. True if nothing of it was refused. */
  async #writePart(unit: FlushUnit, explained: Set<string>): Promise<boolean> {
    const refusal = await this.#try(unit);
    if (refusal === undefined) {
      await this.#secure();
      return true;
    }
    await this.#goBack();
    await this.#isolate(unit, refusal, explained);
    return false;
  }

  /** One group, refused alone. In its caller's own words PostgreSQL may still take it. */
  async #judge(unit: FlushUnit, refusal: Refusal): Promise<void> {
    const apart = refusal.mayBeAltered ? unit.apart?.() : undefined;
    if (apart === undefined) {
      this.#condemn(unit, refusal.error);
      return;
    }
    const again = await this.#try(apart);
    if (again === undefined) {
      await this.#secure();
      return;
    }
    await this.#goBack();
    this.#condemn(apart, again.error);
  }

  /** Runs the unit. A refusal leaves the transaction to be rolled back to its savepoint. */
  async #try(unit: FlushUnit): Promise<Refusal | undefined> {
    let unmatched: Written[];
    try {
      unmatched = await this.#attempt.run(unit);
      if (this.#options.checksConstraints) await this.#check();
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
    this.#since.push({ unit, unmatched });
    // A statement of the caller's may have created what others lacked.
    if (unit.groups[0]?.kind === 'content') this.#hopeless.clear();
    return undefined;
  }

  /**
   * From here on constraints are checked at once, as if each task were a transaction of its own. Said
   * again after each unit, since a statement of the caller's may say otherwise.
   */
  async #check(): Promise<void> {
    try {
      await this.#attempt.control('SET CONSTRAINTS ALL IMMEDIATE');
    } catch (error) {
      throw failureOf(error) === 'refused' ? new Refusal(error) : error;
    }
  }

  /**
   * Whether the statement is refused before PostgreSQL looks at any row: a table or column is missing, a
   * right is missing. Then no group is better than another.
   */
  async #isTextAtFault(unit: FlushUnit, refusal: Refusal, explained: Set<string>): Promise<boolean> {
    const { statement, error } = refusal;
    const { sqlState = '' } = error;
    const isLikely = sqlState.startsWith('42') || sqlState.startsWith('0A') || sqlState === '55000';
    if (statement === undefined || !isLikely || explained.has(sqlState)) return false;
    explained.add(sqlState);
    if (!EXPLAINABLE.test(statement.text)) return false;
    try {
      // With no values: none is to be blamed for the answer.
      const values = statement.values.map(() => null);
      await this.#attempt.explain(statement.text, values);
      return false;
    } catch (failed) {
      if (failureOf(failed) !== 'refused') throw failed;
      await this.#goBack();
      if (toStoreError(failed).sqlState !== sqlState) return false;
    }
    const apart = unit.apart?.();
    if (apart !== undefined) {
      // The table may have been altered a moment ago: then groups in their callers' words are good.
      const refused = await this.#try(apart);
      await this.#goBack();
      if (refused?.error.sqlState !== sqlState) return false;
    }
    if (unit.groups.length === 1) this.#hopeless.set(statement.text, error);
    return true;
  }

  #isHopeless(unit: FlushUnit): StoreError | undefined {
    if (this.#hopeless.size === 0 || unit.groups.length > 1) return undefined;
    for (const { text } of unit.statements()) {
      const error = this.#hopeless.get(text);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  #condemn({ groups }: FlushUnit, error: StoreError): void {
    for (const group of groups) this.condemned.push({ group, error });
  }

  async #goBack(): Promise<void> {
    await this.#attempt.control(BACK);
    this.#since = [];
  }

  async #secure(): Promise<void> {
    await this.#attempt.control(SECURE);
    this.#settle();
  }

  #settle(): void {
    for (const { unmatched } of this.#since) this.#tally.add(unmatched);
    this.#since = [];
  }
}
