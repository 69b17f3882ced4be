import { createLogger } from '../log.js';
import { resolveOptions, secretsOf } from '../options/resolve.js';
import type { ZMsgOptions } from '../options/zmsg-options.js';
import { lockDataDir } from '../store/data-dir.js';
import { startEmbedded } from '../store/embedded.js';
import { Store, type WaitOptions } from '../store/store.js';
import { engineMigrations } from './engine-migrations.js';
import { type AppliedMigration, Migrations } from './migrations.js';

export interface MigrateDatabaseOptions extends WaitOptions {
  /** As for `ZMsg.open`: a YAML file, an object, or nothing; it names the database. */
  config?: string | ZMsgOptions | undefined;
  /** @default process.env */
  env?: NodeJS.ProcessEnv | undefined;
  /** The application's migrations. @default none: the engine's own tables only */
  dir?: string | undefined;
  onApplied?: ((migration: AppliedMigration) => void) | undefined;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Migrates a database without opening the engine on it: the engine's own tables, then `dir`.
 * @throws ConfigError, StoreError, MigrationError.
 */
export async function migrateDatabase(options: MigrateDatabaseOptions): Promise<AppliedMigration[]> {
  const { env, dir, signal, onApplied = () => {} } = options;
  const resolved = resolveOptions(options.config, env);
  const logger = createLogger({
    level: resolved.logLevel,
    format: resolved.logFormat,
    secrets: secretsOf(resolved),
  });
  const lock = resolved.postgresDsn === undefined ? lockDataDir(resolved.dataDir) : undefined;
  try {
    const embedded = lock && (await startEmbedded({ dataDir: lock.dir, logger }));
    try {
      const store = new Store({
        connectionString: resolved.postgresDsn ?? (embedded?.connectionString as string),
        maxOpen: 2,
        maxIdle: 1,
        maxLifetimeMs: resolved.postgresConnMaxLifetimeMs,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        onIdleError: (error) => logger.warn({ err: error }, 'an idle connection to PostgreSQL was lost'),
      });
      try {
        const applied = await engineMigrations(store, { onApplied }).migrate({ signal });
        if (dir !== undefined) {
          applied.push(...(await new Migrations(store, { onApplied }).loadDir(dir).migrate({ signal })));
        }
        return applied;
      } finally {
        await store.close();
      }
    } finally {
      await embedded?.close();
    }
  } finally {
    lock?.release();
  }
}
