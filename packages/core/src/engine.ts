import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Shards, startShards } from '@zmsg/workers';
import type { Logger } from 'pino';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { EngineThreads } from './attach/engine-threads.js';
import { ownerCalls } from './attach/owner-calls.js';
import { AuditDesk } from './audit/audit-desk.js';
import type { BloomBits } from './bloom/bloom-bits.js';
import { BloomGate } from './bloom/bloom-gate.js';
import { BloomShare, type ShareEvent } from './bloom/bloom-share.js';
import { Coherence, type CoherenceOptions, fleetChannel } from './coherence/coherence.js';
import { DeadLetters } from './dead-letters/dead-letters.js';
import type { DelayQueue } from './delay/delay-queue.js';
import {
  BOSS_CONNECTIONS,
  hasDelayQueue,
  type OpenDelayQueue,
  openDelayQueue,
} from './delay/open-delay-queue.js';
import type { EngineCalls } from './engine-calls.js';
import type { EngineEvent } from './events.js';
import { IdGenerator } from './ids/id-generator.js';
import { parseId } from './ids/parse-id.js';
import { L2 } from './l2/l2.js';
import { RedisCache } from './l2/redis-cache.js';
import { connectRedis, disconnectRedis, settledWithin } from './l2/redis-client.js';
import { Loaders } from './load/loaders.js';
import type { LoaderSource } from './load/source.js';
import { createLogger } from './log.js';
import { logEvent } from './log-event.js';
import { engineMigrations } from './migrate/engine-migrations.js';
import { type AppliedMigration, Migrations } from './migrate/index.js';
import { resolveOptions, secretsOf } from './options/resolve.js';
import type { ResolvedOptions } from './options/resolved.js';
import type { ZMsgOptions } from './options/zmsg-options.js';
import { FleetFlight } from './read/fleet-flight.js';
import { FlightLeases } from './read/flight-leases.js';
import { Reader } from './read/reader.js';
import { RecentWrites } from './read/recent-writes.js';
import { collectStats } from './stats.js';
import { lockDataDir, walDir } from './store/data-dir.js';
import { startEmbedded } from './store/embedded.js';
import { Store } from './store/store.js';
import { Writer } from './write/writer.js';

/** The wired parts of an open engine. */
export interface Engine extends EngineCalls {
  readonly options: ResolvedOptions;
  readonly store: Store;
  /** Where loads are read from. */
  readonly readStore: Store;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly shards: Shards;
  readonly ids: IdGenerator;
  readonly deadLetters: DeadLetters;
  /** The other threads of this process that have the engine. */
  readonly threads: EngineThreads;
  /** For what no call's promise tells. */
  readonly logger: Logger;
}

/** Longest wait for a connection, at open and later, milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Longest wait for the other nodes at open; then the engine opens in doubt. */
const COHERENCE_WAIT_MS = 1_000;

const REDIS_CONNECT_TIMEOUT_MS = 5_000;
const REDIS_DISCONNECT_TIMEOUT_MS = 500;

/** Of `load_wait`: when a node that loads has died, one of those that wait takes its place before all give up. */
const FLIGHT_LEASE_SHARE = 0.6;

/** Longest wait of a restarted node until the others have heard of it, milliseconds. */
const REGISTER_TIMEOUT_MS = 2_000;

/** Of each ring between this thread and a shard; some ten thousand likes. */
const RING_BYTES = 2 ** 20;
/** Until the log names the part that keeps `close()` waiting. */
const CLOSING_SLOWLY_MS = 5_000;

/** Opened parts, closed in reverse: on `close()`, or when opening fails half-way. */
class Opened {
  readonly #closers: { part: string; close: () => unknown }[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  onClose(part: string, close: () => unknown): void {
    this.#closers.push({ part, close });
  }

  /** Closes everything even if some of it fails; then throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const { part, close } of this.#closers.splice(0).reverse()) {
      const slow = setTimeout(() => this.#logger.warn({ part }, 'closing takes long'), CLOSING_SLOWLY_MS);
      try {
        await close();
      } catch (error) {
        failures.push(error);
      } finally {
        clearTimeout(slow);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Opens and wires all parts of an engine: the one place where they meet. */
export async function openEngine(
  input: string | ZMsgOptions | undefined,
  onEvent: (event: EngineEvent) => void,
): Promise<Engine> {
  const options = resolveOptions(input);
  const logger = createLogger({
    level: options.logLevel,
    format: options.logFormat,
    secrets: secretsOf(options),
  });
  const opened = new Opened(logger);
  try {
    return await wire(options, logger, opened, (event) => {
      logEvent(logger, event);
      try {
        onEvent(event);
      } catch (error) {
        // A listener of the application's must not break the part that reports.
        logger.error({ err: error, event: event.type }, 'a listener threw');
      }
    });
  } catch (error) {
    // What opening failed with is the news, not what closing the rest may fail with.
    await opened.close().catch((closing: unknown) => logger.error({ err: closing }, 'closing failed'));
    throw error;
  }
}

async function wire(
  options: ResolvedOptions,
  logger: Logger,
  opened: Opened,
  tell: (event: EngineEvent) => void,
): Promise<Engine> {
  let threads: EngineThreads | undefined;
  const onEvent = (event: EngineEvent) => {
    tell(event);
    threads?.broadcast(event);
  };
  const lock = lockDataDir(options.dataDir);
  opened.onClose('lock of data_dir', () => lock.release());
  const connectionString = options.postgresDsn ?? (await embedded(options, logger, opened));
  const budget = shareConnections(options);
  const openStore = (dsn: string) => {
    const store = new Store({
      connectionString: dsn,
      maxOpen: budget.store,
      maxIdle: options.postgresMaxIdleConns,
      maxLifetimeMs: options.postgresConnMaxLifetimeMs,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      onIdleError: (error) => logger.warn({ err: error }, 'an idle connection to PostgreSQL broke'),
    });
    opened.onClose('store', () => store.close(options.shutdownTimeoutMs));
    return store;
  };
  const store = openStore(connectionString);
  const readStore = options.postgresReadDsn === undefined ? store : openStore(options.postgresReadDsn);
  const onApplied = (migration: AppliedMigration) => logger.info(migration, 'migration applied');
  await engineMigrations(store, { onApplied }).migrate();

  const ids = await IdGenerator.open({
    store,
    epochMs: options.idEpochMs,
    leaseTtlMs: options.idLeaseTtlMs,
    onEvent,
  });
  opened.onClose('ids', () => ids.close());

  const l1 = SharedLRU.create({
    maxBytes: options.l1MaxCost,
    counters: options.l1NumCounters,
    bufferItems: options.l1BufferItems,
    maxValueBytes: options.l1MaxValue,
  });
  const l2 = await openL2(options, logger, opened, (keys) => {
    // Others may have read from Redis what it should not have had.
    void (keys === undefined ? coherence?.publishAll() : coherence?.publish(keys));
  });
  let inherit: (wasThere: boolean) => void = () => {};
  const inherited = new Promise<boolean>((resolve) => {
    inherit = resolve;
  });
  const bloom = openBloom(options, store, inherited, opened, logger, onEvent);
  // Before the shards apply what an earlier process left: rows whose keys only that one had announced.
  if (bloom !== undefined && existsSync(join(walDir(options.dataDir), 'log.json')))
    await settledWithin(bloom.registered(), REGISTER_TIMEOUT_MS);
  const loaders = new Loaders(readStore, store);
  const fleet = l2 === undefined ? undefined : openFleetFlight(options, l2, opened, logger);
  const desk = new AuditDesk({
    l1,
    loaders,
    store,
    name: () => ({ host: hostname(), pid: process.pid, nodeId: ids.nodeId }),
  });
  const coherence = connectNodes(options, store, opened, logger, onEvent, {
    owes: () => l2?.owes ?? false,
    onKeys: (keys) => {
      for (const key of keys) {
        l1.delete(key);
        reader.supersede(key);
      }
      writer.overtake(keys);
    },
    onDoubt: () => {
      l1.clear();
      reader.supersedeAll();
      writer.overtakeAll();
    },
    onSharedDoubt: () => l2?.distrust(),
    digestOf: (key) => reader.digest(key),
    onRequest: (body) => desk.answer(body),
  });
  const reader: Reader = new Reader({
    l1,
    l2,
    fleet,
    coherence,
    bloom,
    loaders,
    recent: readStore === store ? undefined : new RecentWrites(),
    defaultTtlMs: options.defaultTtlMs,
  });

  const shards = await startShards({
    store: {
      connectionString,
      maxConnections: budget.shards,
      maxLifetimeMs: options.postgresConnMaxLifetimeMs,
      singleSession: options.postgresDsn === undefined,
    },
    log: {
      dir: walDir(options.dataDir),
      durability: options.walSync,
      syncIntervalMs: options.walIntervalMs,
    },
    shards: options.batchShards,
    batchSize: options.batchSize,
    batchIntervalMs: options.batchIntervalMs,
    ringBytes: RING_BYTES,
    pendingMax: options.pendingMax,
    pendingMaxBytes: options.pendingMaxBytes,
    onFull: options.onFull,
    onEvent,
  });
  opened.onClose('shards', () => shards.close({ timeoutMs: options.shutdownTimeoutMs }));
  // A failure is reported by the shards; the filter then goes on letting every key pass.
  if (shards.stats().log.recovered === 0) inherit(false);
  else
    shards.flush().then(
      () => inherit(true),
      () => {},
    );

  let queue: Promise<OpenDelayQueue> | undefined;
  const delayQueue = async (): Promise<DelayQueue> => {
    queue ??= openDelayQueue({
      options,
      connectionString,
      store,
      onEvent,
      logger,
      announce: (key) => writer.announce([key]),
      forget: (key) => writer.forget(key),
      recheck: (key) => writer.recheck(key),
    }).catch((error: unknown) => {
      queue = undefined; // the next write tries again
      throw error;
    });
    return (await queue).queue;
  };
  const writer: Writer = new Writer({ l1, l2, bloom, reader, coherence, store, shards, delayQueue });
  // Nothing was cached so far: what others write from here on is heard of.
  await coherence?.open(COHERENCE_WAIT_MS);
  opened.onClose('delay queue', async () => (await queue)?.close());
  if (await hasDelayQueue(store, options)) await delayQueue();

  const registerLoader = (
    prefix: string,
    source: LoaderSource,
    loaderOptions: { bloom?: boolean } | undefined,
  ) => {
    loaders.register(prefix, source);
    const scanned = typeof source !== 'function' && (loaderOptions?.bloom ?? source.bloom ?? true);
    if (scanned) bloom?.addSource({ prefix, table: source.table, key: source.key });
    else bloom?.exempt(prefix);
  };
  const stats = () =>
    collectStats({
      l1,
      l2,
      fleet,
      coherence,
      bloom,
      loaders,
      stores: [...new Set([store, readStore])],
      shards,
    });
  threads = new EngineThreads({
    l1,
    ids: ids.handle,
    shards,
    // With Redis a key is announced to the other nodes as well.
    bloom: options.redisAddr === undefined ? bloom?.bits.handle : undefined,
    pulse: coherence?.pulse.handle,
    options: {
      bloomEnabled: options.bloomEnabled,
      defaultTtlMs: options.defaultTtlMs,
      shutdownTimeoutMs: options.shutdownTimeoutMs,
      idEpochMs: options.idEpochMs,
    },
    calls: (thread) => ownerCalls(engine, thread),
    registerLoader,
    stats,
    onEvent,
  });
  opened.onClose('threads', () => threads.close());

  const engine: Engine = {
    options,
    logger,
    store,
    readStore,
    reader,
    writer,
    shards,
    ids,
    threads,
    deadLetters: new DeadLetters(store, {
      beforePut: (key) => writer.announce([key]),
      afterPut: (key) => writer.forget(key),
    }),
    isClosed: false,
    mayExist: (key) => bloom?.mayExist(key) ?? true,
    addLoader(prefix, source, loaderOptions) {
      registerLoader(prefix, source, loaderOptions);
      threads.loaders.superseded(prefix);
    },
    parseId: (id) => parseId(id, options.idEpochMs),
    migrations: () => new Migrations(store, { onApplied }),
    delayQueue,
    stats,
    openThread: () => threads.open(),
    listen: () => {}, // all events are told
    drain: () => threads.drain(),
    close: () =>
      opened.close().catch((error: unknown) => {
        // Also for those who are not listening any more: what stayed behind.
        logger.error({ err: error }, 'closing failed');
        throw error;
      }),
  };
  return engine;
}

async function embedded(options: ResolvedOptions, logger: Logger, opened: Opened): Promise<string> {
  const server = await startEmbedded({ dataDir: options.dataDir, logger });
  opened.onClose('embedded PostgreSQL', () => server.close());
  return server.connectionString;
}

/**
 * One budget for the whole node: the delay queue on PostgreSQL gets its two, the shards up to 70 % of the
 * rest, calls what remains. With the default of 25 that is one for each of 16 shards, which then keep
 * theirs; shards with fewer connect anew for each flush (flushing every 50 ms, that took four times as
 * long).
 */
function shareConnections(options: ResolvedOptions): { shards: number; store: number } {
  const queue = options.delayBackend === 'postgres' ? BOSS_CONNECTIONS : 0;
  const max = options.postgresMaxOpenConns - queue;
  const shards = Math.max(1, Math.min(options.batchShards, Math.floor(max * 0.7)));
  return { shards, store: Math.max(1, max - shards) };
}

/** What this node does about the others, and hears from them. Undefined without Redis: there are none. */
function connectNodes(
  options: ResolvedOptions,
  store: Store,
  opened: Opened,
  logger: Logger,
  onEvent: (event: EngineEvent) => void,
  local: Pick<CoherenceOptions, 'owes' | 'onKeys' | 'onDoubt' | 'onSharedDoubt' | 'digestOf' | 'onRequest'>,
): Coherence | undefined {
  const { redisAddr, redisCluster, redisPassword, redisDb } = options;
  if (redisAddr === undefined) return undefined;
  const coherence = new Coherence({
    ...local,
    endpoint: { redisAddr, redisCluster, redisPassword, redisDb },
    channel: fleetChannel(options),
    store,
    onEvent,
    onError: (error, what) => logger.warn({ err: error }, what),
  });
  opened.onClose('coherence', () => coherence.close());
  return coherence;
}

async function openL2(
  options: ResolvedOptions,
  logger: Logger,
  opened: Opened,
  onRepaired: (keys: readonly string[] | undefined) => void,
): Promise<L2 | undefined> {
  const { redisAddr } = options;
  if (redisAddr === undefined) return undefined;
  const tier = await RedisCache.open({
    redisAddr,
    redisCluster: options.redisCluster,
    redisPassword: options.redisPassword,
    redisDb: options.redisDb,
    redisPoolSize: options.redisPoolSize,
    cachePrefix: options.cachePrefix,
    onConnectionError: (error) => logger.warn({ err: error }, 'Redis (L2) cannot be reached'),
  });
  const l2 = new L2(tier, { onRepaired });
  opened.onClose('L2', () => l2.close());
  await l2.checkServers();
  return l2;
}

function openFleetFlight(
  options: ResolvedOptions,
  l2: L2,
  opened: Opened,
  logger: Logger,
): FleetFlight | undefined {
  const { redisAddr, redisCluster, redisPassword, redisDb, cachePrefix, loadWaitMs } = options;
  if (redisAddr === undefined || loadWaitMs === 0) return undefined;
  const leases = new FlightLeases({
    redisAddr,
    redisCluster,
    redisPassword,
    redisDb,
    cachePrefix,
    leaseMs: Math.ceil(loadWaitMs * FLIGHT_LEASE_SHARE),
    onConnectionError: (error) => logger.warn({ err: error }, 'Redis (single flight) cannot be reached'),
  });
  const fleet = new FleetFlight({ leases, l2, waitMs: loadWaitMs });
  opened.onClose('fleet', () => fleet.close());
  return fleet;
}

/**
 * Without Redis the local filter decides alone: several nodes need the same Redis to be coherent at
 * all. The tables are read from the primary, since a replica may lack the newest keys.
 */
function openBloom(
  options: ResolvedOptions,
  store: Store,
  inherited: Promise<boolean>,
  opened: Opened,
  logger: Logger,
  onEvent: (event: EngineEvent) => void,
): BloomGate | undefined {
  const { redisAddr, redisCluster, redisPassword, redisDb, cachePrefix } = options;
  if (!options.bloomEnabled) return undefined;
  let share: ((bits: BloomBits, onEvent: (event: ShareEvent) => void) => BloomShare) | undefined;
  if (redisAddr !== undefined) {
    const redis = connectRedis(
      { redisAddr, redisCluster, redisPassword, redisDb },
      {
        connectionName: 'zmsg-bloom',
        connectTimeoutMs: REDIS_CONNECT_TIMEOUT_MS,
        socketTimeoutMs: REDIS_CONNECT_TIMEOUT_MS,
        disconnectTimeoutMs: REDIS_DISCONNECT_TIMEOUT_MS,
        whenAway: 'refuse',
        autoPipelining: false,
        onError: (error) => logger.warn({ err: error }, 'Redis (Bloom filter) cannot be reached'),
      },
    );
    opened.onClose('Redis of the Bloom filter', () => disconnectRedis(redis, REDIS_DISCONNECT_TIMEOUT_MS));
    share = (bits, onShareEvent) => new BloomShare({ redis, cachePrefix, inherited }, bits, onShareEvent);
  }
  const bloom = new BloomGate({
    scanAfter: inherited.then(() => {}),
    store,
    capacity: options.bloomCapacity,
    errorRate: options.bloomErrorRate,
    exclusive: redisAddr === undefined,
    share,
    onEvent,
  });
  opened.onClose('Bloom filter', () => bloom.close());
  return bloom;
}
