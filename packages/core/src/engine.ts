import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Shards, startShards } from '@zmsg/workers';
import type { Logger } from 'pino';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { EngineThreads } from './attach/engine-threads.js';
import { ownerCalls } from './attach/owner-calls.js';
import { AuditDesk } from './audit/audit-desk.js';
import { openBloom } from './bloom/open-bloom.js';
import { openCoherence } from './coherence/open-coherence.js';
import { DeadLetters } from './dead-letters/dead-letters.js';
import type { DelayQueue } from './delay/delay-queue.js';
import { hasDelayQueue, type OpenDelayQueue, openDelayQueue } from './delay/open-delay-queue.js';
import type { EngineCalls } from './engine-calls.js';
import type { EngineEvent } from './events.js';
import { IdGenerator } from './ids/id-generator.js';
import { parseId } from './ids/parse-id.js';
import { openL2 } from './l2/open-l2.js';
import { settledWithin } from './l2/redis-client.js';
import { Loaders } from './load/loaders.js';
import type { LoaderSource } from './load/source.js';
import { createLogger } from './log.js';
import { logEvent } from './log-event.js';
import { engineMigrations } from './migrate/engine-migrations.js';
import { type AppliedMigration, Migrations } from './migrate/index.js';
import { Opened, type Opening } from './opening.js';
import { resolveOptions, secretsOf } from './options/resolve.js';
import type { ResolvedOptions } from './options/resolved.js';
import type { ZMsgOptions } from './options/zmsg-options.js';
import { EarlyLoads } from './read/early-loads.js';
import { openFleetFlight } from './read/open-fleet-flight.js';
import { Reader } from './read/reader.js';
import { RecentWrites } from './read/recent-writes.js';
import { collectStats } from './stats.js';
import { lockDataDir, walDir } from './store/data-dir.js';
import { startEmbedded } from './store/embedded.js';
import { shareConnections } from './store/share-connections.js';
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

/** Longest wait of a restarted node until the others have heard of it, milliseconds. */
const REGISTER_TIMEOUT_MS = 2_000;

/** Of each ring between this thread and a shard; some ten thousand likes. */
const RING_BYTES = 2 ** 20;
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
  const opening: Opening = { options, logger, opened, onEvent };
  const lock = lockDataDir(options.dataDir);
  opened.onClose('lock of data_dir', () => lock.release());
  const connectionString = options.postgresDsn ?? (await embedded(opening));
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
  const l2 = await openL2(opening, (keys) => {
    // Others may have read from Redis what it should not have had.
    void (keys === undefined ? coherence?.publishAll() : coherence?.publish(keys));
  });
  let inherit: (wasThere: boolean) => void = () => {};
  const inherited = new Promise<boolean>((resolve) => {
    inherit = resolve;
  });
  const bloom = openBloom(opening, store, inherited);
  // Before the shards apply what an earlier process left: rows whose keys only that one had announced.
  if (bloom !== undefined && existsSync(join(walDir(options.dataDir), 'log.json')))
    await settledWithin(bloom.registered(), REGISTER_TIMEOUT_MS);
  const loaders = new Loaders(readStore, store);
  const fleet = l2 === undefined ? undefined : openFleetFlight(opening, l2);
  const desk = new AuditDesk({
    l1,
    loaders,
    store,
    name: () => ({ host: hostname(), pid: process.pid, nodeId: ids.nodeId }),
  });
  const coherence = openCoherence(opening, store, {
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
  opened.onClose('shards', () =>
    // What the last flush committed is looked at while the other nodes can still be told.
    shards
      .close({ timeoutMs: options.shutdownTimeoutMs })
      .finally(() => Promise.all([writer.putsFollowed(), caughtUp])),
  );
  // What an earlier process of this node had acknowledged. False: the shards have failed, and said why.
  const applied =
    shards.stats().log.recovered === 0
      ? undefined
      : shards.flush().then(
          () => true,
          () => false,
        );
  if (applied !== undefined) reader.early = new EarlyLoads();
  let caughtUp: Promise<void> | undefined;

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
  const catchUp = async (isApplied: boolean) => {
    // The filter then goes on letting every key pass, and loads are noted.
    if (!isApplied) return;
    inherit(true);
    const loaded = reader.early?.keys;
    reader.early = undefined;
    await writer.recovered(shards.takeRecoveredPuts(), loaded);
  };
  const writer: Writer = new Writer({ l1, l2, bloom, reader, coherence, store, shards, delayQueue });
  // Nothing was cached so far: what others write from here on is heard of.
  await coherence?.open(COHERENCE_WAIT_MS);
  if (applied === undefined) inherit(false);
  else caughtUp = applied.then(catchUp);
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

async function embedded({ options, logger, opened }: Opening): Promise<string> {
  const server = await startEmbedded({ dataDir: options.dataDir, logger });
  opened.onClose('embedded PostgreSQL', () => server.close());
  return server.connectionString;
}
