import { resolve } from 'node:path';
import { ConfigError } from '../error.js';
import { passwordsIn, redisDbIn } from './address.js';
import { type Entry, entryError, preview, readEntry } from './entry.js';
import { readEnvironment } from './environment.js';
import { closest } from './hint.js';
import type { ResolvedOptions } from './resolved.js';
import {
  type GivenValues,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  type SettingValue,
} from './settings.js';
import { readYamlFile } from './yaml-file.js';
import type { ZMsgOptions } from './zmsg-options.js';

/** Ids hold 41 bits of milliseconds. */
const ID_TIME_MS = 2 ** 41;
const MIB = 2 ** 20;
const MIN_CONNS_WITH_DELAY_QUEUE = 4;
/** L1 divides its memory among 64 segments, and a value lives in one of them. */
const L1_VALUE_SHARE = 64;
/** 2 GiB of filter bits: beyond that a slip in a zero is likelier than a need. */
const MAX_BLOOM_BITS = 2 ** 34;

/**
 * Reads and checks the whole configuration.
 *
 * `input` is the path of a YAML file with keys such as `batch_size`, an object with keys such as
 * `batchSize`, or nothing. A `ZMSG_BATCH_SIZE` in the environment wins over both: whoever runs the
 * process has the last word. An empty variable is not set.
 *
 * @param now The present, milliseconds since 1970: `id_epoch` must lie before it.
 * @throws ConfigError naming the first key (as it was written) that is unknown, or whose value is of
 * the wrong type, out of range or at odds with another key's. Values of secrets are never shown.
 */
export function resolveOptions(
  input?: string | ZMsgOptions,
  env: NodeJS.ProcessEnv = process.env,
  now: number = Date.now(),
): ResolvedOptions {
  const entries = new Map<SettingName, Entry>();
  for (const entry of [...readInput(input), ...readEnvironment(env)]) entries.set(entry.name, entry);
  const given: GivenValues = {};
  for (const entry of entries.values()) assign(given, entry);
  const options = complete(given);
  checkTogether(options, given, now, (name, what) => {
    const entry = entries.get(name) ?? { key: name, origin: 'the default' };
    return entryError(entry, what);
  });
  return Object.freeze(options);
}

/** Passwords among the settings, for the log's redaction. */
export function secretsOf(options: ResolvedOptions): string[] {
  const urls = [options.postgresDsn, options.postgresReadDsn, ...(options.redisAddr ?? [])];
  const inUrls = passwordsIn(urls.filter((url) => url !== undefined));
  return [...new Set([...inUrls, options.redisPassword].filter((secret) => secret !== ''))];
}

function readInput(input: string | ZMsgOptions | undefined): Entry[] {
  if (input === undefined) return [];
  if (typeof input === 'string') return readYamlFile(input);
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new ConfigError(`expected the path of a YAML file or an object of options, not ${preview(input)}`);
  }
  return Object.entries(input).flatMap(([key, value]: [string, unknown]): Entry[] => {
    const name = SETTING_NAMES.find((each) => each === key);
    if (name === undefined) {
      const hint = closest(key, SETTING_NAMES);
      const meant = hint === undefined ? '' : `; did you mean ${hint}?`;
      throw new ConfigError(`unknown option ${JSON.stringify(key.slice(0, 64))}${meant}`, { key });
    }
    return value === undefined ? [] : [{ name, key, origin: 'the options', value }];
  });
}

function assign<N extends SettingName>(given: GivenValues, entry: Entry & { name: N }): void {
  (given as { [K in N]?: SettingValue<K> })[entry.name] = readEntry(entry);
}

/** The default of a setting that has one, read as if it had been given. */
function defaultOf<N extends SettingName>(name: N): SettingValue<N> {
  return readEntry({ name, key: name, origin: 'the default', value: SETTINGS[name].default });
}

function complete(given: GivenValues): ResolvedOptions {
  const get = <N extends SettingName>(name: N): SettingValue<N> =>
    (given[name] as SettingValue<N> | undefined) ?? defaultOf(name);
  const postgresMaxOpenConns = get('postgresMaxOpenConns');
  const l1MaxCost = get('l1MaxCost');
  return {
    postgresDsn: given.postgresDsn,
    postgresReadDsn: given.postgresReadDsn,
    postgresMaxOpenConns,
    postgresMaxIdleConns:
      given.postgresMaxIdleConns ?? Math.min(defaultOf('postgresMaxIdleConns'), postgresMaxOpenConns),
    postgresConnMaxLifetimeMs: get('postgresConnMaxLifetime'),
    redisAddr: given.redisAddr?.addresses,
    redisCluster: given.redisAddr?.cluster ?? false,
    redisPassword: get('redisPassword'),
    redisDb: given.redisDb ?? (given.redisAddr && redisDbIn(given.redisAddr.addresses[0] ?? '')) ?? 0,
    redisPoolSize: get('redisPoolSize'),
    l1MaxCost,
    l1NumCounters: get('l1NumCounters'),
    l1BufferItems: get('l1BufferItems'),
    l1MaxValue: given.l1MaxValue ?? Math.min(16 * MIB, Math.floor(l1MaxCost / (4 * L1_VALUE_SHARE))),
    defaultTtlMs: get('defaultTtl'),
    loadWaitMs: get('loadWait'),
    cachePrefix: get('cachePrefix'),
    batchSize: get('batchSize'),
    batchIntervalMs: get('batchInterval'),
    batchShards: get('batchShards'),
    pendingMax: get('pendingMax'),
    pendingMaxBytes: get('pendingMaxBytes'),
    onFull: get('onFull'),
    bloomEnabled: get('bloomEnabled'),
    bloomCapacity: get('bloomCapacity'),
    bloomErrorRate: get('bloomErrorRate'),
    logLevel: get('logLevel'),
    logFormat: get('logFormat'),
    dataDir: resolve(get('dataDir')),
    walSync: get('walSync'),
    walIntervalMs: get('walInterval'),
    shutdownTimeoutMs: get('shutdownTimeout'),
    delayBackend: given.delayBackend ?? (given.redisAddr === undefined ? 'postgres' : 'redis'),
    delayLockMs: get('delayLock'),
    idEpochMs: get('idEpoch'),
    idLeaseTtlMs: get('idLeaseTtl'),
  };
}

function checkTogether(
  options: ResolvedOptions,
  given: GivenValues,
  now: number,
  error: (name: SettingName, what: string) => ConfigError,
): void {
  if (options.postgresReadDsn !== undefined && options.postgresDsn === undefined) {
    throw error('postgresReadDsn', 'needs postgres_dsn: the embedded PostgreSQL has no replica');
  }
  if (options.delayBackend === 'postgres' && options.postgresMaxOpenConns < MIN_CONNS_WITH_DELAY_QUEUE) {
    const what = `is ${options.postgresMaxOpenConns}; with delay_backend postgres at least ${MIN_CONNS_WITH_DELAY_QUEUE} are needed: two for the delay queue, one for the shards, one for calls`;
    throw error('postgresMaxOpenConns', what);
  }
  if (options.postgresMaxIdleConns > options.postgresMaxOpenConns) {
    const what = `is ${options.postgresMaxIdleConns}, more than postgres_max_open_conns, ${options.postgresMaxOpenConns}`;
    throw error('postgresMaxIdleConns', what);
  }
  checkRedis(options, given, error);
  if (options.l1MaxValue > options.l1MaxCost / L1_VALUE_SHARE) {
    const bound = Math.floor(options.l1MaxCost / L1_VALUE_SHARE);
    throw error(
      'l1MaxValue',
      `is ${options.l1MaxValue}, more than 1/${L1_VALUE_SHARE} of l1_max_cost, ${bound}`,
    );
  }
  if (options.pendingMax < options.batchSize) {
    const name = given.pendingMax === undefined ? 'batchSize' : 'pendingMax';
    const what = `leaves pending_max, ${options.pendingMax}, below batch_size, ${options.batchSize}: it would push back before a batch is full`;
    throw error(name, what);
  }
  const bloomBits = (-options.bloomCapacity * Math.log(options.bloomErrorRate)) / Math.LN2 ** 2;
  if (options.bloomEnabled && bloomBits > MAX_BLOOM_BITS) {
    const name = given.bloomErrorRate === undefined ? 'bloomCapacity' : 'bloomErrorRate';
    const what = `makes a filter of ${Math.ceil(bloomBits / 8 / MIB)} MiB with bloom_capacity ${options.bloomCapacity} and bloom_error_rate ${options.bloomErrorRate}; at most ${MAX_BLOOM_BITS / 8 / MIB} MiB are allowed`;
    throw error(name, what);
  }
  if (options.idEpochMs > now || options.idEpochMs + ID_TIME_MS <= now) {
    throw error(
      'idEpoch',
      'must lie in the past, by less than 69 years: ids hold 41 bits of milliseconds since then',
    );
  }
}

function checkRedis(
  options: ResolvedOptions,
  given: GivenValues,
  error: (name: SettingName, what: string) => ConfigError,
): void {
  const { redisAddr } = options;
  if (redisAddr === undefined) {
    if (options.delayBackend === 'redis') throw error('delayBackend', 'is redis, but there is no redis_addr');
    return;
  }
  if (options.redisPassword !== '' && passwordsIn(redisAddr).some((each) => each !== options.redisPassword)) {
    throw error('redisPassword', 'differs from the password in redis_addr; give it once');
  }
  const databases = new Set([
    options.redisDb,
    ...redisAddr.map((each) => redisDbIn(each) ?? options.redisDb),
  ]);
  if (databases.size > 1) throw error('redisAddr', 'names another database than redis_db; give it once');
  if (options.redisCluster && options.redisDb !== 0) {
    throw error(
      given.redisDb === undefined ? 'redisAddr' : 'redisDb',
      'must be 0: a cluster has only database 0',
    );
  }
}
