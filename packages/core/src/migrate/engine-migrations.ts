import { fileURLToPath } from 'node:url';
import type { Store } from '../store/store.js';
import { Migrations, type MigrationsOptions } from './migrations.js';

/** The engine's own tables, from the SQL files that ship with the package. */
export function engineMigrations(store: Store, options: Omit<MigrationsOptions, 'scope'> = {}): Migrations {
  const dir = fileURLToPath(new URL('../schema', import.meta.url));
  return new Migrations(store, { ...options, scope: 'zmsg' }).loadDir(dir);
}
