import { postgresDsn, redisAddress } from './address.js';
import { boolean, bytes, duration, instant, integer, oneOf, path, ratio, text } from './reader.js';
import type { Setting } from './setting.js';

/** The longest that one timer can wait; see `MAX_TIMER_MS`. */
const TIMER_MAX = '2147483647ms';
const GIB = 2 ** 30;

function setting<T>(definition: Setting<T>): Setting<T> {
  return Object.freeze(definition);
}

/** Every key, in the order in which the documentation lists them. Names as in the object form. */
export const SETTINGS = Object.freeze({
  postgresDsn: setting({
    reader: postgresDsn(),
    default: undefined,
    defaultNote: 'embedded PostgreSQL',
    doc: 'Where PostgreSQL is.',
    secret: true,
  }),
  postgresReadDsn: setting({
    reader: postgresDsn(),
    default: undefined,
    defaultNote: '`postgres_dsn`',
    doc: 'A replica that loads are read from. Needs `postgres_dsn`.',
    secret: true,
  }),
  postgresMaxOpenConns: setting({
    reader: integer(2, 10_000),
    default: 25,
    doc: 'Connections of the whole node, shards included.',
  }),
  postgresMaxIdleConns: setting({
    reader: integer(0, 10_000),
    default: 5,
    defaultNote: '5, or `postgres_max_open_conns` if that is less',
    doc: 'Connections kept open while unused; more are closed after 5 s without use. At most `postgres_max_open_conns`.',
  }),
  postgresConnMaxLifetime: setting({
    reader: duration('1s', TIMER_MAX),
    default: '5m',
    doc: 'A connection older than this is replaced before its next use.',
  }),
  redisAddr: setting({
    reader: redisAddress(),
    default: undefined,
    defaultNote: 'no L2',
    doc: '`host:port`, `redis://…`, `rediss://…`; a list (in the environment: separated by commas) is a cluster. `redis+sentinel://host:port,host:port/master` asks Sentinels for the master.',
  }),
  redisPassword: setting({
    reader: text(0, 4096),
    default: '',
    doc: 'Password of Redis, unless the URL holds it.',
    secret: true,
  }),
  redisDb: setting({
    reader: integer(0, 65_535),
    default: 0,
    doc: 'Number of the Redis database; a cluster has only 0.',
  }),
  redisPoolSize: setting({ reader: integer(1, 1000), default: 10, doc: 'Connections to Redis.' }),
  l1MaxCost: setting({
    reader: bytes(2 ** 20, 4 * GIB),
    default: 104_857_600,
    doc: 'Bytes of shared memory for L1: index, values and counters.',
  }),
  l1NumCounters: setting({
    reader: integer(1000, 1_000_000_000),
    default: 10_000_000,
    doc: 'Evicted keys that L1 remembers: eviction learns from those that come back. More than it has slots are not used.',
  }),
  l1BufferItems: setting({
    reader: integer(1, 65_536),
    default: 64,
    doc: 'Hits that a thread remembers before they reach the shared counters.',
  }),
  l1MaxValue: setting({
    reader: bytes(1, 4 * GIB),
    default: undefined,
    defaultNote: '1/256 of `l1_max_cost`, at most 16 MiB',
    doc: 'Bytes; a larger value is not kept in L1. At most 1/64 of `l1_max_cost`.',
  }),
  defaultTtl: setting({
    reader: duration('1ms', '36500d'),
    default: '24h',
    doc: 'How long a cached value lives when the call does not say.',
  }),
  loadWait: setting({
    reader: duration('0ms', '30s'),
    default: '1s',
    doc: 'How long a miss waits for another node that loads the same key; `0`: every node loads for itself.',
  }),
  cachePrefix: setting({
    reader: text(1, 128),
    default: 'zmsg:',
    doc: 'Put before every key in Redis. Nodes that share data share it.',
  }),
  batchSize: setting({
    reader: integer(1, 1_000_000),
    default: 1000,
    doc: 'Pending groups (rows to write) at which a shard flushes.',
  }),
  batchInterval: setting({
    reader: duration('1ms', TIMER_MAX),
    default: '5s',
    doc: 'Longest time from the first pending write of a shard to its flush.',
  }),
  batchShards: setting({ reader: integer(1, 256), default: 16, doc: 'Shard threads.' }),
  pendingMax: setting({
    reader: integer(1, 1_000_000_000),
    default: 1_000_000,
    doc: 'Operations of the node not yet in PostgreSQL at which producers are pushed back; at least `batch_size`.',
  }),
  pendingMaxBytes: setting({
    reader: bytes(2 ** 20, 64 * GIB),
    default: 256 * 2 ** 20,
    doc: 'The same in bytes, as they stand in the log.',
  }),
  onFull: setting({
    reader: oneOf('wait', 'reject'),
    default: 'wait',
    doc: 'At one of these bounds: `wait` for room, or `reject` with `BackpressureError`.',
  }),
  bloomEnabled: setting({
    reader: boolean(),
    default: true,
    doc: 'Whether look-ups of keys that do not exist are kept away from PostgreSQL.',
  }),
  bloomCapacity: setting({
    reader: integer(1, 1_000_000_000),
    default: 1_000_000,
    doc: 'Keys that the filter is sized for.',
  }),
  bloomErrorRate: setting({
    reader: ratio(0.5),
    default: 0.01,
    doc: 'Share of absent keys that pass the filter when it is full, above 0 and at most 0.5.',
  }),
  dataDir: setting({
    reader: path(),
    default: '.zmsg',
    doc: 'Directory of the write-ahead log (and of the embedded PostgreSQL), one process at a time; relative to the working directory.',
  }),
  walSync: setting({
    reader: oneOf('always', 'interval', 'off'),
    default: 'always',
    doc: 'When a periodic write is acknowledged: `always`: it is on disk; `interval`: the operating system has it; `off`: its shard has it. A call may say otherwise.',
  }),
  walInterval: setting({
    reader: duration('1ms', TIMER_MAX),
    default: '1s',
    doc: 'With `interval`: how long until a write is on disk.',
  }),
  shutdownTimeout: setting({
    reader: duration('1ms', TIMER_MAX),
    default: '30s',
    doc: 'How long `close()`, SIGTERM and SIGINT try to flush before they say what was not written.',
  }),
  delayBackend: setting({
    reader: oneOf('redis', 'postgres'),
    default: undefined,
    defaultNote: '`redis` with `redis_addr`, else `postgres`',
    doc: 'Where delayed writes wait.',
  }),
  delayLock: setting({
    reader: duration('1s', '1h'),
    default: '30s',
    doc: 'How long after its death other nodes run the delayed writes that a node had in hand.',
  }),
  idEpoch: setting({
    reader: instant(),
    default: '2024-01-01',
    doc: 'Time zero of ids: a date (UTC), a date and time with its zone, or milliseconds since 1970; less than 69 years ago. Never change it.',
  }),
  idLeaseTtl: setting({
    reader: duration('1s', '24h'),
    default: '30s',
    doc: 'Time after which the node id of a process that died may be given away.',
  }),
  logLevel: setting({
    reader: oneOf('debug', 'info', 'warn', 'error'),
    default: 'info',
    doc: '`debug`, `info`, `warn` or `error`.',
  }),
  logFormat: setting({ reader: oneOf('json', 'text'), default: 'json', doc: '`json` or `text`.' }),
  adminAddr: setting({
    reader: text(1, 256),
    default: undefined,
    doc: 'Address of the admin port.',
    unavailable: 'the admin port is not part of this version',
  }),
});

export type SettingName = keyof typeof SETTINGS;
export type SettingValue<N extends SettingName> = (typeof SETTINGS)[N] extends Setting<infer T> ? T : never;
/** Values that were given, read and found allowed one by one. */
export type GivenValues = { [N in SettingName]?: SettingValue<N> | undefined };

export const SETTING_NAMES = Object.freeze(Object.keys(SETTINGS) as SettingName[]);
