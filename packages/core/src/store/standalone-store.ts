import type { Logger } from 'pino';
import { createLogger } from '../log.js';
import { resolveOptions, secretsOf } from '../options/resolve.js';
import type { ResolvedOptions } from '../options/resolved.js';
import type { ZMsgOptions } from '../options/zmsg-options.js';
import { lockDataDir } from './data-dir.js';
import { startEmbedded } from './embedded.js';
import { Store } from './store.js';

export interface StandaloneOptions {
  /** As for `ZMsg.open`: a YAML file, an object, or nothing; it names the database. */
  config?: string | ZMsgOptions | undefined;
  /** @default process.env */
  env?: NodeJS.ProcessEnv | undefined;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Runs `body` with connections to the database that an engine with these options would use, without an
 * engine. The embedded one is started for it.
 *
 * @throws ConfigError, StoreError, and what `body` throws
 */
export async function withStandaloneStore<T>(
  options: StandaloneOptions,
  body: (store: Store) => Promise<T>,
): Promise<T> {
  const resolved = resolveOptions(options.config, options.env);
  const logger = createLogger({
    level: resolved.logLevel,
    format: resolved.logFormat,
    secrets: secretsOf(resolved),
  });
  if (resolved.postgresDsn !== undefined) return withStore(resolved.postgresDsn, resolved, logger, body);
  const lock = lockDataDir(resolved.dataDir);
  try {
    const embedded = await startEmbedded({ dataDir: lock.dir, logger });
    try {
      return await withStore(embedded.connectionString, resolved, logger, body);
    } finally {
      await embedded.close();
    }
  } finally {
    lock.release();
  }
}

async function withStore<T>(
  connectionString: string,
  { postgresConnMaxLifetimeMs }: ResolvedOptions,
  logger: Logger,
  body: (store: Store) => Promise<T>,
): Promise<T> {
  const store = new Store({
    connectionString,
    maxOpen: 2,
    maxIdle: 1,
    maxLifetimeMs: postgresConnMaxLifetimeMs,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    onIdleError: (error) => logger.warn({ err: error }, 'an idle connection to PostgreSQL was lost'),
  });
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}
