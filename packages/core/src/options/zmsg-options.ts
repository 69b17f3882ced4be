import type { Durability } from '@zmsg/workers';
import type { Duration } from './duration.js';

/**
 * The object form of the configuration, as a user writes it. A field that is undefined is not set.
 * Durations are whole milliseconds or text such as `'250ms'`, `'5s'`, `'1h30m'`, `'7d'`.
 */
export interface ZMsgOptions {
  /** `postgresql://…`. @default undefined: embedded PostgreSQL under `dataDir` */
  postgresDsn?: string | undefined;
  /** Replica that loads are read from; needs `postgresDsn`. @default `postgresDsn` */
  postgresReadDsn?: string | undefined;
  /** Connections of the whole node, shards included: 2 to 10,000. @default 25 */
  postgresMaxOpenConns?: number | undefined;
  /** Connections kept open while unused; more are closed after 5 s. At most `postgresMaxOpenConns`. @default 5, or `postgresMaxOpenConns` if less */
  postgresMaxIdleConns?: number | undefined;
  /** A connection older than this is replaced before its next use: from 1s. @default '5m' */
  postgresConnMaxLifetime?: Duration | undefined;
  /**
   * `host:port`, `redis://…` or `rediss://…`; several are a cluster. Sentinels:
   * `redis+sentinel://user:password@host:26379,host:26379/master/db`, all but hosts and master optional.
   * @default undefined: no L2
   */
  redisAddr?: string | readonly string[] | undefined;
  /** Unless the URL holds it. @default '' */
  redisPassword?: string | undefined;
  /** Number of the Redis database. @default 0 */
  redisDb?: number | undefined;
  /** Connections to Redis: 1 to 1,000. @default 10 */
  redisPoolSize?: number | undefined;
  /** Bytes of shared memory for L1: 1 MiB to 4 GiB. @default 104857600 */
  l1MaxCost?: number | undefined;
  /**
   * Evicted keys that L1 remembers: eviction learns from those that come back. More than it has slots are not used.
   * 1,000 to 1,000,000,000. @default 10000000
   */
  l1NumCounters?: number | undefined;
  /** Hits that a thread remembers before they reach the shared counters: 1 to 65,536. @default 64 */
  l1BufferItems?: number | undefined;
  /** Bytes; a larger value is not kept in L1. At most 1/64 of `l1MaxCost`. @default 1/256 of `l1MaxCost`, at most 16 MiB */
  l1MaxValue?: number | undefined;
  /** How long a cached value lives when the call does not say: 1ms to 36500d. @default '24h' */
  defaultTtl?: Duration | undefined;
  /** How long a miss waits for another node that loads the same key; 0: every node loads for itself. At most 30s. @default '1s' */
  loadWait?: Duration | undefined;
  /** Put before every key in Redis: 1 to 128 bytes. @default 'zmsg:' */
  cachePrefix?: string | undefined;
  /** Pending groups (rows to write) at which a shard flushes: 1 to 1,000,000. @default 1000 */
  batchSize?: number | undefined;
  /** Longest time from the first pending write of a shard to its flush, at most 2^31 - 1 ms. @default '5s' */
  batchInterval?: Duration | undefined;
  /** Shard threads: 1 to 256. @default 16 */
  batchShards?: number | undefined;
  /** Operations of the node not yet in PostgreSQL at which producers are pushed back, at least `batchSize`. @default 1000000 */
  pendingMax?: number | undefined;
  /** The same in bytes, as they stand in the log: 1 MiB to 64 GiB. @default 268435456 */
  pendingMaxBytes?: number | undefined;
  /** At one of these bounds: wait for room, or reject with `BackpressureError`. @default 'wait' */
  onFull?: 'wait' | 'reject' | undefined;
  /** Whether look-ups of keys that do not exist are kept away from PostgreSQL. @default true */
  bloomEnabled?: boolean | undefined;
  /** Keys that the filter is sized for: 1 to 1,000,000,000. @default 1000000 */
  bloomCapacity?: number | undefined;
  /** Share of absent keys that pass the full filter: above 0, at most 0.5. @default 0.01 */
  bloomErrorRate?: number | undefined;
  /** Directory of the write-ahead log, and of the embedded PostgreSQL; relative to the working directory. @default '.zmsg' */
  dataDir?: string | undefined;
  /**
   * When a periodic write is acknowledged: `always`: it is on disk; `interval`: the operating system has it;
   * `off`: its shard has it. @default 'always'
   */
  walSync?: Durability | undefined;
  /** With `interval`: how long until a write is on disk, at most 2^31 - 1 ms. @default '1s' */
  walInterval?: Duration | undefined;
  /** How long `close()`, SIGTERM and SIGINT try to flush, at most 2^31 - 1 ms. @default '30s' */
  shutdownTimeout?: Duration | undefined;
  /** Where delayed writes wait. @default 'redis' with `redisAddr`, else 'postgres' */
  delayBackend?: 'redis' | 'postgres' | undefined;
  /** How long after its death other nodes run the delayed writes that a node had in hand: 1s to 1h. @default '30s' */
  delayLock?: Duration | undefined;
  /** Time zero of ids: an ISO 8601 date (UTC), a date and time with its zone, or milliseconds since 1970. @default '2024-01-01' */
  idEpoch?: string | number | undefined;
  /** Time after which the node id of a process that died may be given away: 1s to 24h. @default '30s' */
  idLeaseTtl?: Duration | undefined;
  /** @default 'info' */
  logLevel?: 'debug' | 'info' | 'warn' | 'error' | undefined;
  /** @default 'json' */
  logFormat?: 'json' | 'text' | undefined;
}
