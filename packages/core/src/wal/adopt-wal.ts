import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LogError, recoverLog, type ShardEvent } from '@zmsg/workers';
import { withBloomHeld } from '../bloom/bloom-hold.js';
import { ConfigError } from '../error.js';
import { createLogger } from '../log.js';
import { logEvent } from '../log-event.js';
import { migrateDatabase } from '../migrate/index.js';
import { resolveOptions, secretsOf } from '../options/resolve.js';
import type { ZMsgOptions } from '../options/zmsg-options.js';
import { lockDataDir } from '../store/data-dir.js';

export interface AdoptWalOptions {
  /** Data directory of the node that is no more. */
  readonly dataDir: string;
  /** As for `ZMsg.open`: names the database. @default the environment */
  readonly config?: string | ZMsgOptions | undefined;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /**
   * Also if a live process owns the directory: it is fenced. Its files stay, since it may go on writing to
   * them until it notices; what it acknowledges meanwhile is applied by the next adoption or start.
   * @default false
   */
  readonly force?: boolean | undefined;
}

const RING_BYTES = 2 ** 16;

/**
 * Applies what the log of a dead node holds to PostgreSQL, and deletes the log. Exactly once, also if this is
 * interrupted and repeated, or the node comes back. Resolves with the number of operations.
 *
 * @throws LogError when there is no log, it is damaged, or it is not this database's
 * @throws ConfigError while a live process owns the directory
 * @throws StoreError when PostgreSQL does not take everything
 */
export async function adoptWal({ dataDir, config, env, force }: AdoptWalOptions): Promise<number> {
  const options = resolveOptions(config, env);
  const { postgresDsn } = options;
  const dir = join(resolve(dataDir), 'wal');
  if (postgresDsn === undefined) {
    throw new ConfigError('adoption needs postgres_dsn: an embedded database belongs to its own node', {
      key: 'postgres_dsn',
    });
  }
  if (!existsSync(join(dir, 'log.json'))) throw new LogError(`there is no log in ${dir}`, { file: dir });
  const logger = createLogger({
    level: options.logLevel,
    format: options.logFormat,
    secrets: secretsOf(options),
  });
  const lock = force === true ? undefined : lockDataDir(dataDir);
  try {
    await migrateDatabase({ config, env });
    const recover = () =>
      recoverLog({
        store: {
          connectionString: postgresDsn,
          maxConnections: Math.max(1, options.postgresMaxOpenConns - 1),
          maxLifetimeMs: options.postgresConnMaxLifetimeMs,
          singleSession: false,
        },
        log: { dir, durability: 'off', syncIntervalMs: options.walIntervalMs, isForeign: force === true },
        shards: options.batchShards,
        batchSize: options.batchSize,
        batchIntervalMs: options.batchIntervalMs,
        ringBytes: RING_BYTES,
        pendingMax: options.pendingMax,
        pendingMaxBytes: options.pendingMaxBytes,
        onFull: 'wait',
        onEvent: (event: ShardEvent) => logEvent(logger, event),
      });
    // The keys of its rows died with the node.
    return await withBloomHeld(options, logger, recover);
  } finally {
    lock?.release();
  }
}
