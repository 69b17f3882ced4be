export { type MigrateDatabaseOptions, migrateDatabase } from './migrate-database.js';
export { type AppliedMigration, Migrations, type MigrationsOptions } from './migrations.js';
