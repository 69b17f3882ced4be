import type { WaitOptions } from '../store/store.js';
import type { AppliedMigration } from './migrations.js';

/** Migrations that were named and are not applied yet; see `Migrations` for the rules. */
export interface MigrationSet {
  /** One file; it is read by `migrate`. */
  load(file: string): this;
  /** Text of SQL. Without a name, each content is applied once. */
  loadSql(text: string, name?: string): this;
  /** All `NNN_name.sql` of a directory, without its subdirectories; it is read by `migrate`. */
  loadDir(dir: string): this;
  /**
   * Applies what is not applied yet and tells what that was. On an error the migrations before the
   * failed one stay applied. An abort rejects at once; a file that is running is finished, and no other begun.
   *
   * @throws MigrationError naming the file, with PostgreSQL's error as `cause`; StoreError when PostgreSQL
   *   cannot be reached
   */
  migrate(options?: WaitOptions): Promise<AppliedMigration[]>;
}
