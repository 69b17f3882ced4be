import { type StandaloneOptions, withStandaloneStore } from '../store/standalone-store.js';
import type { WaitOptions } from '../store/store.js';
import { engineMigrations } from './engine-migrations.js';
import { type AppliedMigration, Migrations } from './migrations.js';

export interface MigrateDatabaseOptions extends StandaloneOptions, WaitOptions {
  /** The application's migrations. @default none: the engine's own tables only */
  dir?: string | undefined;
  onApplied?: ((migration: AppliedMigration) => void) | undefined;
}

/**
 * Migrates a database without opening the engine on it: the engine's own tables, then `dir`.
 * @throws ConfigError, StoreError, MigrationError.
 */
export function migrateDatabase(options: MigrateDatabaseOptions): Promise<AppliedMigration[]> {
  const { dir, signal, onApplied = () => {} } = options;
  return withStandaloneStore(options, async (store) => {
    const applied = await engineMigrations(store, { onApplied }).migrate({ signal });
    if (dir !== undefined) {
      applied.push(...(await new Migrations(store, { onApplied }).loadDir(dir).migrate({ signal })));
    }
    return applied;
  });
}
