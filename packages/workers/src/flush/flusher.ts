import type { Generation } from '../aggregate/generation.js';
import type { AggregatedGroup } from '../aggregate/group.js';
import { FencedError, StoreError } from '../error.js';
import type { Shape } from '../operation.js';
import type { Columns } from './columns.js';
import { generationStatements } from './generation-statements.js';
import { type Mark, moveMark, readMark, takeMark } from './progress.js';
import { type ReadRequest, type ReadResult, readPending } from './read.js';
import { isRefusal, type Session, toStoreError } from './session.js';
import { type Unmatched, UnmatchedTally } from './unmatched.js';

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
}

/** A COMMIT that was sent and not answered. */
interface Unsettled {
  readonly to: bigint;
  readonly result: FlushResult;
}

/**
 * Writes generations, one transaction each, exactly once.
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
   * before any other. An empty generation writes nothing. Throws `StoreError`, and `FencedError` when nothing may be written any more.
   */
  async flush(generation: Generation, position: bigint): Promise<FlushResult> {
    const from = this.#position;
    if (from === undefined) throw new Error('flush() before start()');
    if (this.#unsettled !== undefined && this.#unsettled.to !== position) {
      throw new Error(`position ${this.#unsettled.to} has to be settled before ${position}`);
    }
    if (position === from) return { statements: 0, overheadStatements: 0, unmatched: [] };
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
      throw error instanceof FencedError ? error : toStoreError(error);
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
    const { session } = attempt;
    const tally = new UnmatchedTally();
    let hasMoved = false;
    try {
      await this.#describeAgain(generation, session);
      await attempt.overhead(() => session.query('BEGIN ISOLATION LEVEL READ COMMITTED'));
      for (const statement of generationStatements(generation)) {
        attempt.statements += 1;
        tally.add(statement, await session.query(statement.text, [...statement.values]));
      }
      hasMoved = await attempt.overhead(() => moveMark(this.#options.mark, from, to, session));
      if (!hasMoved) await attempt.rollback(undefined);
    } catch (error) {
      await attempt.rollback(error as Error);
      this.#learnFrom(generation, error);
      throw error;
    }
    if (!hasMoved) {
      const committed = await this.#settled(session, attempt);
      if (committed !== undefined) return committed;
      throw this.#fenced(undefined);
    }
    const result: FlushResult = {
      statements: attempt.statements,
      overheadStatements: attempt.overheadStatements + 1,
      unmatched: tally.list,
    };
    await this.#commit(to, result, attempt);
    return result;
  }

  async #commit(to: bigint, result: FlushResult, attempt: Attempt): Promise<void> {
    let command: string;
    try {
      ({ command } = await attempt.overhead(() => attempt.session.query('COMMIT')));
    } catch (error) {
      if (!isRefusal(error)) {
        this.#unsettled = { to, result };
        attempt.broken = error as Error;
      }
      throw error;
    }
    if (command !== 'COMMIT') throw new StoreError(`the transaction was ended by ${command}`);
  }

  /** Tables that did not exist when the operations came may exist now. */
  async #describeAgain(generation: Generation, session: Session): Promise<void> {
    const missing: AggregatedGroup[] = [];
    for (const level of generation.levels) {
      for (const group of level) {
        if (group.kind === 'aggregated' && !group.columns.isDescribed) missing.push(group);
      }
    }
    if (missing.length === 0) return;
    const { columns } = this.#options;
    const shapes = [...new Set(missing.map(({ shape }) => shape))];
    for (const shape of shapes) columns.forget(shape);
    await columns.describe(shapes, session);
    for (const group of missing) group.columns = columns.of(group.shape);
  }

  /** Data and syntax errors may come from a table that was altered: look anew, and run groups apart. */
  #learnFrom(generation: Generation, error: unknown): void {
    const { sqlState } = toStoreError(error);
    if (sqlState?.startsWith('22') !== true && sqlState?.startsWith('42') !== true) return;
    generation.separate();
    const shapes: Iterable<Shape> = generation.byRawKey.keys();
    for (const shape of shapes) this.#options.columns.forget(shape);
  }

  #fenced(position: bigint | undefined): FencedError {
    const { shard, epoch } = this.#options.mark;
    const at = position === undefined ? '' : `, which stands at ${position}`;
    return new FencedError(`the progress mark of shard ${shard} is not that of epoch ${epoch} any more${at}`);
  }
}

/** One connection's part in a flush. */
class Attempt {
  readonly session: Session;
  statements = 0;
  overheadStatements = 0;
  /** Set when the connection must not be used again. */
  broken: Error | undefined;

  constructor(session: Session) {
    this.session = session;
  }

  overhead<T>(send: () => Promise<T>): Promise<T> {
    this.overheadStatements += 1;
    return send();
  }

  /** After a refusal the connection is good for another transaction; after anything else it is not. */
  async rollback(cause: Error | undefined): Promise<void> {
    if (cause !== undefined && !isRefusal(cause)) this.broken = cause;
    try {
      await this.overhead(() => this.session.query('ROLLBACK'));
    } catch (error) {
      // The first error is the one to report; closing the connection rolls back as well.
      this.broken ??= error as Error;
    }
  }
}
