export { type MigrateDatabaseOptions, migrateDatabase } from './migrate-database.js';
export type { MigrationSet } from './migration-set.js';
export { type AppliedMigration, Migrations, type MigrationsOptions } from './migrations.js';
