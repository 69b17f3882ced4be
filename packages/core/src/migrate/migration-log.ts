import { MigrationError } from '../error.js';
import type { Session } from '../store/store.js';
import type { MigrationFile } from './migration-file.js';

/** A migration as `zmsg_migrations` has it. */
export interface LoggedMigration {
  readonly version: bigint;
  readonly name: string;
  readonly checksum: string;
}

/** Part of the key of every advisory lock of zmsg's: "zmsg" in ASCII. */
const LOCK_CLASS = 0x7a6d7367;
const LOCK_MIGRATIONS = 1;
const LOCK = `${LOCK_CLASS}, ${LOCK_MIGRATIONS}`;

export const TRY_TRANSACTION_LOCK = `SELECT pg_try_advisory_xact_lock(${LOCK}) AS taken, pg_current_xact_id()::text AS xact`;
export const TRY_SESSION_LOCK = `SELECT pg_try_advisory_lock(${LOCK}) AS taken`;
export const SESSION_UNLOCK = `SELECT pg_advisory_unlock(${LOCK})`;

/** Needs the lock: CREATE TABLE IF NOT EXISTS fails when two run it at the same moment. */
export const CREATE_LOG = `CREATE TABLE IF NOT EXISTS zmsg_migrations (
  scope      text NOT NULL,
  version    bigint NOT NULL,
  name       text NOT NULL,
  checksum   text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scope, version)
)`;

/** Whether the table is there; asked first, since a role that may not create tables may still be up to date. */
export async function logExists(session: Session): Promise<boolean> {
  const { rows } = await session.exec<{ exists: boolean }>(
    `SELECT to_regclass('zmsg_migrations') IS NOT NULL AS exists`,
  );
  return rows[0]?.exists === true;
}

export async function readLog(session: Session, scope: string): Promise<Map<bigint, LoggedMigration>> {
  const { rows } = await session.exec<{ version: string; name: string; checksum: string }>(
    'SELECT version::text AS version, name, checksum FROM zmsg_migrations WHERE scope = $1',
    [scope],
  );
  return new Map(rows.map((row) => [BigInt(row.version), { ...row, version: BigInt(row.version) }]));
}

export async function writeLog(session: Session, scope: string, file: MigrationFile): Promise<void> {
  await session.exec('INSERT INTO zmsg_migrations (scope, version, name, checksum) VALUES ($1, $2, $3, $4)', [
    scope,
    file.version,
    file.name,
    file.checksum,
  ]);
}

/**
 * The files that are still to be applied, in their order.
 * @throws MigrationError when a file was changed after it was applied, or has a number below one that is applied.
 */
export function pendingOf(
  files: readonly MigrationFile[],
  log: ReadonlyMap<bigint, LoggedMigration>,
): MigrationFile[] {
  let last: LoggedMigration | undefined;
  for (const logged of log.values()) {
    if (logged.version >= 0n && logged.version > (last?.version ?? -1n)) last = logged;
  }
  return files.filter((file) => {
    const logged = log.get(file.version);
    if (logged !== undefined) {
      checkUnchanged(file, logged);
      return false;
    }
    if (last !== undefined && file.version >= 0n && file.version < last.version) {
      throw new MigrationError(
        `${file.path} comes before ${last.name}, which is applied already: give it a higher number`,
        { file: file.path },
      );
    }
    return true;
  });
}

export function checkUnchanged(file: MigrationFile, logged: LoggedMigration): void {
  if (logged.checksum === file.checksum) return;
  const what =
    logged.name === file.name
      ? 'was changed after it was applied; put the change into a new migration'
      : `has the number of ${logged.name}, which is applied already; give it another one`;
  throw new MigrationError(`${file.path} ${what}`, { file: file.path });
}
