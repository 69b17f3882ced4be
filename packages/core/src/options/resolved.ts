import type { Durability } from '@zmsg/workers';

/** Settings after defaults and validation: what every part of the engine is given. */
export interface ResolvedOptions {
  /** Undefined: embedded. */
  readonly postgresDsn: string | undefined;
  /** Replica for loads; undefined: `postgresDsn`. */
  readonly postgresReadDsn: string | undefined;
  /** Connections of the whole node, shards included. */
  readonly postgresMaxOpenConns: number;
  readonly postgresMaxIdleConns: number;
  readonly postgresConnMaxLifetimeMs: number;
  /** Undefined: no L2. One address, or several for a cluster. */
  readonly redisAddr: readonly string[] | undefined;
  /** `redisAddr` was given as a list; a list of one is a cluster with one known node. */
  readonly redisCluster: boolean;
  readonly redisPassword: string;
  readonly redisDb: number;
  readonly redisPoolSize: number;
  readonly l1MaxCost: number;
  readonly l1NumCounters: number;
  readonly l1BufferItems: number;
  /** Larger values are not kept in L1. */
  readonly l1MaxValue: number;
  readonly defaultTtlMs: number;
  /** 0: no single flight over nodes. */
  readonly loadWaitMs: number;
  readonly cachePrefix: string;
  readonly batchSize: number;
  readonly batchIntervalMs: number;
  readonly batchShards: number;
  /** Operations not yet committed, of the whole node, at which producers are pushed back. */
  readonly pendingMax: number;
  /** The same in bytes. */
  readonly pendingMaxBytes: number;
  readonly onFull: 'wait' | 'reject';
  readonly bloomEnabled: boolean;
  readonly bloomCapacity: number;
  readonly bloomErrorRate: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly logFormat: 'json' | 'text';
  /** Absolute. */
  readonly dataDir: string;
  /** Of periodic writes whose call does not say. */
  readonly walSync: Durability;
  readonly walIntervalMs: number;
  readonly shutdownTimeoutMs: number;
  readonly delayBackend: 'redis' | 'postgres';
  /** A node that is silent for so long loses the delayed writes that it has in hand. */
  readonly delayLockMs: number;
  /** Milliseconds since 1970 of the first id. */
  readonly idEpochMs: number;
  readonly idLeaseTtlMs: number;
}
