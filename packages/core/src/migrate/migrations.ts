import { setTimeout as pause } from 'node:timers/promises';
import { StoreError } from '@zmsg/workers';
import { MigrationError } from '../error.js';
import { raceAbort } from '../race-abort.js';
import type { Session, Store, WaitOptions } from '../store/store.js';
import {
  type MigrationFile,
  migrationFromText,
  readMigrationDir,
  readMigrationFile,
} from './migration-file.js';
import {
  CREATE_LOG,
  checkUnchanged,
  logExists,
  pendingOf,
  readLog,
  SESSION_UNLOCK,
  TRY_SESSION_LOCK,
  TRY_TRANSACTION_LOCK,
  writeLog,
} from './migration-log.js';
import type { MigrationSet } from './migration-set.js';

export interface MigrationsOptions {
  /** Numbers are unique within a scope. `zmsg` is the engine's own. @default 'app' */
  scope?: string;
  /** After each migration that was applied. */
  onApplied?: (migration: AppliedMigration) => void;
}

export interface AppliedMigration {
  /** Base name of the file, or the name given with the text. */
  readonly name: string;
  readonly durationMs: number;
}

const LOCK_POLL_MS = 50;

/** Runs of one store wait for each other: on the embedded PostgreSQL session locks exclude nobody. */
const running = new WeakMap<Store, Promise<unknown>>();

/**
 * Incremental migrations: `new Migrations(store).load('a.sql').loadDir('schema').migrate()`.
 *
 * Files called `NNN_name.sql` run in the order of their numbers, whichever call named them; a number
 * below one that is applied already is an error, as is a number given twice. After them run the ones
 * without a number (from `load` and `loadSql`), in the order of the calls. Each is applied once: a name
 * or number that was applied with another content is an error, and then nothing runs. A migration that
 * was applied and is not on disk any more is fine.
 *
 * A file is sent whole, in a transaction together with its mark in `zmsg_migrations`. Its first line
 * `-- zmsg: no-transaction` runs it outside of one, for statements such as CREATE INDEX CONCURRENTLY; it
 * then holds only that statement, and may run again if the process dies before the mark is written.
 *
 * Any number of processes may migrate at once: a lock of PostgreSQL's lets one go first. It is tried
 * again and again rather than waited for, because CREATE INDEX CONCURRENTLY waits for every statement
 * that has begun, so also for one that waits for this lock.
 *
 * Why not a library: postgrator and umzug take no lock, node-pg-migrate keeps no checksums, and its
 * session lock neither spans a transaction-pooling proxy nor excludes anyone on the embedded database.
 */
export class Migrations implements MigrationSet {
  readonly #store: Store;
  readonly #scope: string;
  readonly #onApplied: (migration: AppliedMigration) => void;
  readonly #sources: (() => Promise<MigrationFile[]>)[] = [];

  constructor(store: Store, options: MigrationsOptions = {}) {
    this.#store = store;
    this.#scope = options.scope ?? 'app';
    this.#onApplied = options.onApplied ?? (() => {});
  }

  /** One file; it is read by `migrate`. */
  load(file: string): this {
    this.#sources.push(async () => [await readMigrationFile(file)]);
    return this;
  }

  /** Text of SQL. Without a name, each content is applied once. */
  loadSql(text: string, name?: string): this {
    this.#sources.push(async () => [migrationFromText(text, name)]);
    return this;
  }

  /** All `NNN_name.sql` of a directory, without its subdirectories; it is read by `migrate`. */
  loadDir(dir: string): this {
    this.#sources.push(() => readMigrationDir(dir));
    return this;
  }

  /**
   * Applies what is not applied yet and tells what that was. On an error the migrations before the
   * failed one stay applied. An abort rejects at once; a file that is running is finished, and no other begun.
   * @throws MigrationError naming the file, with PostgreSQL's error as `cause`.
   * @throws StoreError when PostgreSQL cannot be reached.
   */
  async migrate(options: WaitOptions = {}): Promise<AppliedMigration[]> {
    options.signal?.throwIfAborted();
    const previous = running.get(this.#store) ?? Promise.resolve();
    const run = previous.then(() => this.#run(options));
    // The next run waits for the end of this one, not for its success.
    running.set(
      this.#store,
      run.catch(() => {}),
    );
    return options.signal === undefined ? run : raceAbort(run, options.signal);
  }

  async #run({ signal }: WaitOptions): Promise<AppliedMigration[]> {
    signal?.throwIfAborted();
    const files = ordered((await Promise.all(this.#sources.map((read) => read()))).flat());
    if (files.length === 0) return [];
    return this.#store.session(async (session) => {
      let pending = files;
      if (await logExists(session)) {
        pending = pendingOf(files, await readLog(session, this.#scope));
      } else {
        await locked(session, signal, () => session.exec(CREATE_LOG));
      }
      const applied: AppliedMigration[] = [];
      for (const file of pending) {
        signal?.throwIfAborted();
        const start = performance.now();
        if (!(await this.#apply(session, file, signal))) continue;
        const migration = { name: file.name, durationMs: performance.now() - start };
        applied.push(migration);
        this.#onApplied(migration);
      }
      return applied;
    });
  }

  /** False: another process applied it in the meantime. */
  async #apply(session: Session, file: MigrationFile, signal?: AbortSignal): Promise<boolean> {
    try {
      return await (file.transactional
        ? this.#inTransaction(session, file, signal)
        : this.#outside(session, file, signal));
    } catch (error) {
      // Such as a deferred constraint that fails at COMMIT.
      if (error instanceof StoreError && error.sqlState !== undefined) {
        throw new MigrationError(`${file.path}: ${error.message}`, { cause: error, file: file.path });
      }
      throw error;
    }
  }

  async #inTransaction(session: Session, file: MigrationFile, signal?: AbortSignal): Promise<boolean> {
    return locked(session, signal, async (xact) => {
      if (await this.#isApplied(session, file)) return false;
      await runFile(session, file);
      // Files made by pg_dump empty the search path.
      await session.exec('RESET SESSION AUTHORIZATION; RESET ALL');
      const { rows } = await session.exec<{ xact: string }>('SELECT pg_current_xact_id()::text AS xact');
      if (rows[0]?.xact !== xact) {
        throw new MigrationError(
          `${file.path} ends the transaction that it runs in; leave COMMIT and ROLLBACK out of it, or begin it with "-- zmsg: no-transaction"`,
          { file: file.path },
        );
      }
      await writeLog(session, this.#scope, file);
      return true;
    });
  }

  async #outside(session: Session, file: MigrationFile, signal?: AbortSignal): Promise<boolean> {
    while (!(await tryLock(session, TRY_SESSION_LOCK)).taken)
      await pause(LOCK_POLL_MS, undefined, { signal });
    try {
      if (await this.#isApplied(session, file)) return false;
      await runFile(session, file);
      await session.exec('RESET SESSION AUTHORIZATION; RESET ALL');
      await writeLog(session, this.#scope, file);
      return true;
    } finally {
      // On a broken connection PostgreSQL has given the lock back; what broke it is the error to report.
      await session.exec(SESSION_UNLOCK).catch(() => {});
    }
  }

  /** Asked again under the lock: another process may have been faster. */
  async #isApplied(session: Session, file: MigrationFile): Promise<boolean> {
    const logged = (await readLog(session, this.#scope)).get(file.version);
    if (logged !== undefined) checkUnchanged(file, logged);
    return logged !== undefined;
  }
}

/** Numbered ones by their number, then the others as they came. */
function ordered(files: MigrationFile[]): MigrationFile[] {
  const byVersion = new Map<bigint, MigrationFile>();
  for (const file of files) {
    const other = byVersion.get(file.version);
    if (other !== undefined) {
      const what = file.version < 0n ? 'name' : 'number';
      throw new MigrationError(`${other.path} and ${file.path} have the same ${what}`, { file: file.path });
    }
    byVersion.set(file.version, file);
  }
  const numbered = files.filter((file) => file.version >= 0n);
  numbered.sort((a, b) => (a.version < b.version ? -1 : 1));
  return [...numbered, ...files.filter((file) => file.version < 0n)];
}

async function tryLock(session: Session, statement: string): Promise<{ taken: boolean; xact: string }> {
  const { rows } = await session.exec<{ taken: boolean; xact: string }>(statement);
  return rows[0] ?? { taken: false, xact: '' };
}

/** Runs `body` in a transaction that holds the lock; `xact` is the transaction's id. */
async function locked<T>(
  session: Session,
  signal: AbortSignal | undefined,
  body: (xact: string) => Promise<T>,
): Promise<T> {
  for (;;) {
    await session.exec('BEGIN');
    try {
      const lock = await tryLock(session, TRY_TRANSACTION_LOCK);
      if (lock.taken) {
        const result = await body(lock.xact);
        await session.exec('COMMIT');
        return result;
      }
      await session.exec('ROLLBACK');
    } catch (error) {
      // The first error is the one to report; the connection is closed after the run in any case.
      await session.exec('ROLLBACK').catch(() => {});
      throw error;
    }
    await pause(LOCK_POLL_MS, undefined, { signal });
  }
}

async function runFile(session: Session, file: MigrationFile): Promise<void> {
  try {
    await session.exec(file.text);
  } catch (error) {
    const position = Number((error as { cause?: { position?: string } }).cause?.position);
    // PostgreSQL counts characters, not UTF-16 units.
    const line = [...file.text].slice(0, position).filter((char) => char === '\n').length + 1;
    const place = Number.isNaN(position) ? file.path : `${file.path}:${line}`;
    const hint =
      !file.transactional && error instanceof StoreError && error.sqlState === '25001'
        ? '; a no-transaction migration may hold only one such statement'
        : file.transactional && error instanceof StoreError && error.sqlState === '25001'
          ? '; begin it with the line "-- zmsg: no-transaction"'
          : '';
    throw new MigrationError(`${place}: ${(error as Error).message}${hint}`, {
      cause: error,
      file: file.path,
    });
  }
}
