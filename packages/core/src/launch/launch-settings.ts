import type { Logger } from 'pino';
import { createLogger } from '../log.js';
import { resolveOptions, secretsOf } from '../options/resolve.js';

/** What starts an application needs to know of the engine's configuration before it opens an engine. */
export interface LaunchSettings {
  /** Writes as the engine does: level, format and redaction of the same configuration. */
  readonly logger: Logger;
  /** Absolute. */
  readonly dataDir: string;
  /** No `postgres_dsn`: each engine would start a PostgreSQL of its own. */
  readonly isEmbedded: boolean;
  /** There is a `redis_addr`: several engines keep their caches coherent. */
  readonly hasL2: boolean;
  /** How long each step of closing the engine may take. */
  readonly shutdownTimeoutMs: number;
}

/**
 * @param config YAML file; undefined: the environment only.
 * @throws ConfigError.
 */
export function launchSettings(
  config: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): LaunchSettings {
  const options = resolveOptions(config, env);
  return {
    logger: createLogger({
      level: options.logLevel,
      format: options.logFormat,
      secrets: secretsOf(options),
    }),
    dataDir: options.dataDir,
    isEmbedded: options.postgresDsn === undefined,
    hasL2: options.redisAddr !== undefined,
    shutdownTimeoutMs: options.shutdownTimeoutMs,
  };
}
