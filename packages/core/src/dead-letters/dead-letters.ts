import {
  type DeadLetterTask,
  deadLetterStatements,
  failureOf,
  InvalidValueError,
  StoreError,
  untagValue,
} from '@zmsg/workers';
import type { Store, WaitOptions } from '../store/store.js';
import type {
  DeadLetter,
  DeadLetterDetails,
  DeadLettersView,
  ListOptions,
  RetryOutcome,
} from './dead-letter.js';

const MAX_LIMIT = 1000;
/** Characters of a task that a list looks into. */
const MAX_LISTED_CHARS = 65_536;
const MAX_TEXT_CHARS = 1000;
const MAX_ERROR_CHARS = 4096;

const COLUMNS = `
  id::text, kind, table_name, column_name, operations::float8, sqlstate, error, attempts, log_id::text, shard,
  position::text, EXTRACT(EPOCH FROM first_failed_at)::float8 * 1000 AS first_failed_at_ms,
  EXTRACT(EPOCH FROM last_failed_at)::float8 * 1000 AS last_failed_at_ms`;
// As text: PostgreSQL's own functions on json stop at \u0000.
const LIST = `
SELECT ${COLUMNS}, CASE WHEN length(task::text) <= ${MAX_LISTED_CHARS} THEN task::text END AS task
  FROM zmsg_dead_letters AS l WHERE l.id > $1::bigint ORDER BY l.id LIMIT $2`; // `id` alone would be its text
const GET = `SELECT ${COLUMNS}, task::text AS task FROM zmsg_dead_letters WHERE id = $1::bigint`;
const COUNT = 'SELECT count(*)::float8 AS count FROM zmsg_dead_letters';
const TAKE = `
DELETE FROM zmsg_dead_letters
 WHERE id = (SELECT id FROM zmsg_dead_letters WHERE id = $1::bigint FOR UPDATE SKIP LOCKED)
RETURNING task::text AS task`;
const REFUSED = `
UPDATE zmsg_dead_letters
   SET attempts = attempts + 1, sqlstate = $2, error = $3, last_failed_at = now() WHERE id = $1::bigint`;
const DISCARD = 'DELETE FROM zmsg_dead_letters WHERE id = ANY ($1::bigint[])';

interface Row {
  id: string;
  kind: DeadLetter['kind'];
  table_name: string | null;
  column_name: string | null;
  operations: number;
  task: string | null;
  sqlstate: string | null;
  error: string;
  attempts: number;
  first_failed_at_ms: number;
  last_failed_at_ms: number;
  log_id: string;
  shard: number;
  position: string;
}

/** What an open engine does about its caches. */
export interface RetryHooks {
  /** A value for this key may be in `zmsg_data` in a moment. */
  readonly beforePut: (key: string) => Promise<void>;
  /** It is. */
  readonly afterPut: (key: string) => Promise<void>;
}

/** The rows of `zmsg_dead_letters`. */
export class DeadLetters implements DeadLettersView {
  readonly #store: Store;
  readonly #hooks: RetryHooks | undefined;

  constructor(store: Store, hooks?: RetryHooks) {
    this.#store = store;
    this.#hooks = hooks;
  }

  async list(options: ListOptions = {}): Promise<DeadLetter[]> {
    const { limit = 100, after = '0' } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new InvalidValueError(`limit must be an integer from 1 to ${MAX_LIMIT}, not ${limit}`);
    }
    const { rows } = await this.#store.exec<Row>(LIST, [checkedId(after), limit], options);
    return rows.map((row) => letterOf(row, taskOf(row.task)));
  }

  async get(id: string, options?: WaitOptions): Promise<DeadLetterDetails | undefined> {
    const { rows } = await this.#store.exec<Row>(GET, [checkedId(id)], options);
    return rows[0] === undefined ? undefined : detailsOf(rows[0]);
  }

  async count(options?: WaitOptions): Promise<number> {
    const { rows } = await this.#store.exec<{ count: number }>(COUNT, [], options);
    return (rows[0] as { count: number }).count;
  }

  async retry(ids: string | readonly string[], options?: WaitOptions): Promise<RetryOutcome[]> {
    const outcomes: RetryOutcome[] = [];
    for (const id of checkedIds(ids)) outcomes.push(await this.#retry(id, options));
    return outcomes;
  }

  async discard(ids: string | readonly string[], options?: WaitOptions): Promise<number> {
    return (await this.#store.exec(DISCARD, [checkedIds(ids)], options)).rowCount;
  }

  async #retry(id: string, options: WaitOptions | undefined): Promise<RetryOutcome> {
    try {
      return await this.#runAgain(id, options);
    } catch (error) {
      if (error instanceof NotRunnable) return { id, outcome: 'not runnable' };
      if (!(error instanceof StoreError) || failureOf(error) !== 'refused') throw error;
      const { sqlState, message } = error;
      // Whoever took it meanwhile and succeeded left nothing to update.
      await this.#store.exec(REFUSED, [id, sqlState, message.slice(0, MAX_ERROR_CHARS)], options);
      return { id, outcome: 'refused', sqlState, error: message };
    }
  }

  async #runAgain(id: string, options: WaitOptions | undefined): Promise<RetryOutcome> {
    let put: string | undefined;
    const outcome = await this.#store.transaction<RetryOutcome>(async (session) => {
      const { rows } = await session.exec<{ task: string }>(TAKE, [id]);
      const task = taskOf(rows[0]?.task ?? null);
      if (task === undefined) return { id, outcome: 'absent' };
      if (!canRetry(task)) throw new NotRunnable();
      if (task.kind === 'put') put = task.key;
      if (put !== undefined) await this.#hooks?.beforePut(put);
      let rowCount = 0;
      for (const { text, values } of deadLetterStatements(task)) {
        ({ rowCount } = await session.exec(text, values));
      }
      return { id, outcome: 'applied', rowCount };
    }, options);
    if (put !== undefined) await this.#hooks?.afterPut(put);
    return outcome;
  }
}

/** Rolls the transaction back. */
class NotRunnable extends Error {}

function checkedIds(ids: string | readonly string[]): string[] {
  return (Array.isArray(ids) ? ids : [ids]).map(checkedId);
}

function checkedId(id: string): string {
  if (typeof id === 'string' && /^\d{1,18}$/.test(id)) return id;
  throw new InvalidValueError(`${JSON.stringify(String(id).slice(0, 40))} is no id of a dead letter`);
}

function taskOf(json: string | null): DeadLetterTask | undefined {
  return json === null ? undefined : (JSON.parse(json) as DeadLetterTask);
}

function canRetry({ statements, isExcerpt }: DeadLetterTask): boolean {
  return statements.length > 0 && isExcerpt !== true;
}

function letterOf(row: Row, task: DeadLetterTask | undefined): DeadLetter {
  return {
    id: row.id,
    kind: row.kind,
    table: row.table_name ?? undefined,
    column: row.column_name ?? undefined,
    where: task?.where?.text,
    text: task?.statements[0]?.text.slice(0, MAX_TEXT_CHARS),
    operations: row.operations,
    sqlState: row.sqlstate ?? undefined,
    error: row.error,
    attempts: row.attempts,
    firstFailedAtMs: Math.trunc(row.first_failed_at_ms),
    lastFailedAtMs: Math.trunc(row.last_failed_at_ms),
  };
}

function detailsOf(row: Row): DeadLetterDetails {
  const task = taskOf(row.task) as DeadLetterTask;
  const orInsert = task.orInsert === undefined ? undefined : Object.entries(task.orInsert);
  return {
    ...letterOf(row, task),
    change: task.change,
    whereValues: task.where?.values.map(untagValue) ?? [],
    orInsert: orInsert && Object.fromEntries(orInsert.map(([name, value]) => [name, untagValue(value)])),
    key: task.key,
    statements: deadLetterStatements(task),
    canRetry: canRetry(task),
    logId: row.log_id,
    shard: row.shard,
    position: row.position,
  };
}
