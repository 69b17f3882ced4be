import type { Generation } from '../aggregate/generation.js';
import { FencedError, StoreError } from '../error.js';
import { failpoint } from '../failpoint.js';
import { Attempt } from './attempt.js';
import type { Columns } from './columns.js';
import { type DeadLetter, deadLetterOf, type RefusedTasks, refusedTasks } from './dead-letter.js';
import { insertDeadLetters } from './dead-letter-insert.js';
import { describeMissing } from './describe-generation.js';
import { failureOf } from './failure.js';
import { nextPlan, PLAIN, type Plan } from './plan.js';
import { type Mark, moveMark, readMark, takeMark } from './progress.js';
import { type ReadRequest, type ReadResult, readPending } from './read.js';
import { Refusal } from './refusal.js';
import { isRefusal, type Session, toStoreError } from './session.js';
import { type Unmatched, UnmatchedTally } from './unmatched.js';
import { writeGeneration } from './write-generation.js';

export interface FlusherOptions {
  /** A connection for this flush alone. It needs an `error` listener of its owner's. */
  readonly connect: () => Promise<Session>;
  /** Gives it back. `error`: it is broken, or in a state that is not known, and must be closed. */
  readonly disconnect: (session: Session, error: Error | undefined) => Promise<void> | void;
  readonly mark: Mark;
  readonly columns: Columns;
}

export interface FlushResult {
  /** Data-changing statements of the transaction. */
  readonly statements: number;
  /** BEGIN, COMMIT, and what belongs to the progress mark. */
  readonly overheadStatements: number;
  readonly unmatched: readonly Unmatched[];
  /** What was left out for good, and written to `zmsg_dead_letters`. */
  readonly deadLetters: readonly RefusedTasks[];
}

/** A COMMIT that was sent and not answered. */
interface Unsettled {
  readonly to: bigint;
  readonly result: FlushResult;
}

/**
 * Writes generations, one transaction each, exactly once.
 *
 * A generation in which PostgreSQL refuses something for good is written without it, in the same call;
 * what was left out becomes dead letters, in the transaction that moves the mark:
 *
 * ```
 * all at once ─ refused ─▶ columns described anew ─ altered ─▶ all at once, altered tables group by group
 *    │                            └ as before ─▶ isolating ◀─ refused again ─┘
 *    └ COMMIT refused ─▶ isolating, deferred constraints checked ◀─ COMMIT refused
 * ```
 *
 * ```
 * settled ── COMMIT answered ──▶ settled, position moved
 *    │  └─── failed before COMMIT: rolled back, position as before ──▶ settled
 *    └ COMMIT sent, no answer ──▶ unsettled ── mark at the new position ──▶ settled, position moved
 *                                      ├ mark at the old position: run again; should the lost COMMIT
 *                                      │   come through meanwhile, the compare-and-set fails and the
 *                                      │   mark is read once more
 *                                      └ neither ──▶ FencedError
 * ```
 *
 * It uses neither prepared statements nor session state.
 */
export class Flusher {
  readonly #options: FlusherOptions;
  #position: bigint | undefined;
  #unsettled: Unsettled | undefined;
  #statements = 0;
  #overheadStatements = 0;

  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  /** Data-changing statements sent so far, those of failed flushes too. */
  get statements(): number {
    return this.#statements;
  }

  /** BEGIN, COMMIT, ROLLBACK and what belongs to progress marks, so far. */
  get overheadStatements(): number {
    return this.#overheadStatements;
  }

  /** Takes over the progress mark and returns its position: operations that are already applied. */
  async start(session: Session): Promise<bigint> {
    const { mark } = this.#options;
    this.#overheadStatements += 1;
    try {
      const { epoch, position } = await takeMark(mark, session);
      mark.epoch = epoch;
      this.#position = position;
    } catch (error) {
      throw error instanceof FencedError ? error : toStoreError(error);
    }
    return this.#position;
  }

  /** Instead of `start`, with a mark that was taken over already and stands at `position`. */
  resume(position: bigint): void {
    this.#position = position;
  }

  /**
   * Writes the generation and moves the mark to `position`, the number of operations up to its end.
   * After a failure the generation is as it was, and must be given again, with the same position,
   * before any other. An empty generation writes nothing. Throws `StoreError`, and `FencedError` when
   * nothing may be written any more.
   */
  async flush(generation: Generation, position: bigint): Promise<FlushResult> {
    const from = this.#position;
    if (from === undefined) throw new Error('flush() before start()');
    if (this.#unsettled !== undefined && this.#unsettled.to !== position) {
      throw new Error(`position ${this.#unsettled.to} has to be settled before ${position}`);
    }
    if (position === from) return { statements: 0, overheadStatements: 0, unmatched: [], deadLetters: [] };
    const { connect, disconnect } = this.#options;
    let session: Session;
    try {
      session = await connect();
    } catch (error) {
      throw toStoreError(error);
    }
    const attempt = new Attempt(session);
    try {
      const result =
        (await this.#settled(session, attempt)) ?? (await this.#run(generation, from, position, attempt));
      this.#position = position;
      this.#unsettled = undefined;
      return result;
    } catch (error) {
      if (error instanceof FencedError) throw error;
      if (!isRefusal(error)) attempt.broken ??= error as Error;
      throw toStoreError(error);
    } finally {
      this.#statements += attempt.statements;
      this.#overheadStatements += attempt.overheadStatements;
      this.#options.columns.forgetUndescribed();
      await disconnect(session, attempt.broken);
    }
  }

  /** What the shape's column holds with everything pending for it. Not while a flush is under way. */
  async read(request: ReadRequest, pending: readonly Generation[], session: Session): Promise<ReadResult> {
    if (this.#unsettled !== undefined) return { flushFirst: true };
    try {
      return await readPending(request, this.#options.columns, pending, session);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /** The result of the flush whose COMMIT was not answered, if it turns out to be committed. */
  async #settled(session: Session, attempt: Attempt): Promise<FlushResult | undefined> {
    const unsettled = this.#unsettled;
    if (unsettled === undefined) return undefined;
    const position = await attempt.overhead(() => readMark(this.#options.mark, session));
    if (position === unsettled.to) return unsettled.result;
    if (position === this.#position) return undefined;
    throw this.#fenced(position);
  }

  async #run(generation: Generation, from: bigint, to: bigint, attempt: Attempt): Promise<FlushResult> {
    await describeMissing(generation, this.#options.columns, attempt.session);
    let plan: Plan = PLAIN;
    for (;;) {
      try {
        return await this.#transaction(generation, plan, from, to, attempt);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        plan = await nextPlan(plan, error, generation, this.#options.columns, attempt.session);
      }
    }
  }

  /** Throws `Refusal` when the transaction was refused, and has been rolled back. */
  async #transaction(
    generation: Generation,
    plan: Plan,
    from: bigint,
    to: bigint,
    attempt: Attempt,
  ): Promise<FlushResult> {
    const { mark } = this.#options;
    const tally = new UnmatchedTally();
    let letters: DeadLetter[];
    let hasMoved: boolean;
    try {
      const condemned = await writeGeneration(generation, plan, tally, attempt);
      letters = [...generation.refused, ...condemned].map(deadLetterOf);
      await insertDeadLetters(letters, mark, to, attempt);
      failpoint('flush:mark:before');
      hasMoved = await attempt.overhead(() => moveMark(mark, from, to, attempt.session));
      if (!hasMoved) await attempt.rollback(undefined);
    } catch (error) {
      await attempt.rollback(error as Error);
      throw error;
    }
    if (!hasMoved) {
      const committed = await this.#settled(attempt.session, attempt);
      if (committed !== undefined) return committed;
      throw this.#fenced(undefined);
    }
    const result: FlushResult = {
      statements: attempt.statements,
      overheadStatements: attempt.overheadStatements + 1,
      unmatched: tally.list,
      deadLetters: refusedTasks(letters),
    };
    await this.#commit(to, result, attempt);
    return result;
  }

  async #commit(to: bigint, result: FlushResult, attempt: Attempt): Promise<void> {
    failpoint('flush:commit:before');
    let command: string;
    try {
      const answer = attempt.control('COMMIT');
      answer.catch(() => {}); // should the failpoint throw, nobody asks
      failpoint('flush:commit:sent');
      ({ command } = await answer);
      failpoint('flush:commit:answered');
    } catch (error) {
      // A pooler that lost the server says so as if it were a refusal.
      if (isRefusal(error) && !toStoreError(error).outcomeUnknown) {
        throw failureOf(error) === 'refused' ? new Refusal(error) : error;
      }
      this.#unsettled = { to, result };
      attempt.broken = error as Error;
      throw error;
    }
    if (command !== 'COMMIT') throw new StoreError(`the transaction was ended by ${command}`);
  }

  #fenced(position: bigint | undefined): FencedError {
    const { shard, epoch } = this.#options.mark;
    const at = position === undefined ? '' : `, which stands at ${position}`;
    return new FencedError(`the progress mark of shard ${shard} is not that of epoch ${epoch} any more${at}`);
  }
}
