import { join, resolve } from 'node:path';
import { resolveOptions } from '../options/resolve.js';

export interface WalDirOptions {
  /** The data directory. @default that of the configuration */
  readonly dataDir?: string | undefined;
  /** YAML file of the engine. @default the environment only */
  readonly config?: string | undefined;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Directory of the write-ahead log.
 * @throws ConfigError.
 */
export function walDir({ dataDir, config, env }: WalDirOptions): string {
  return join(dataDir === undefined ? resolveOptions(config, env).dataDir : resolve(dataDir), 'wal');
}
