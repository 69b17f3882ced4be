import type { MigrationSet } from '../migrate/migration-set.js';
import type { AppliedMigration } from '../migrate/migrations.js';
import type { WaitOptions } from '../store/store.js';

/** What a migration was named by. */
export type MigrationSource = { file: string } | { dir: string } | { text: string; name: string | undefined };

/** Migrations that a thread names; the engine's owner reads and applies them. */
export class AttachedMigrations implements MigrationSet {
  readonly #migrate: (
    sources: readonly MigrationSource[],
    options: WaitOptions | undefined,
  ) => Promise<AppliedMigration[]>;
  readonly #sources: MigrationSource[] = [];

  constructor(
    migrate: (
      sources: readonly MigrationSource[],
      options: WaitOptions | undefined,
    ) => Promise<AppliedMigration[]>,
  ) {
    this.#migrate = migrate;
  }

  load(file: string): this {
    this.#sources.push({ file });
    return this;
  }

  loadSql(text: string, name?: string): this {
    this.#sources.push({ text, name });
    return this;
  }

  loadDir(dir: string): this {
    this.#sources.push({ dir });
    return this;
  }

  migrate(options?: WaitOptions): Promise<AppliedMigration[]> {
    return this.#migrate(this.#sources, options);
  }
}
