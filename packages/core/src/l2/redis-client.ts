import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { ConfigError } from '../error.js';
import type { ResolvedOptions } from '../options/resolved.js';
import {
  isSentinelAddress,
  parseSentinelAddress,
  type SentinelAddress,
} from '../options/sentinel-address.js';
import { followOneMaster } from './one-master.js';

/** Where Redis is: a part of the resolved options. */
export type RedisEndpoint = Pick<ResolvedOptions, 'redisPassword' | 'redisDb'> & {
  /**
   * One address, or several nodes of a cluster: `host`, `host:port`, `redis://…` or `rediss://…` (TLS); or one
   * `redis+sentinel://…`.
   */
  readonly redisAddr: readonly string[];
  /** A single address is one of a cluster's nodes. @default false */
  readonly redisCluster?: boolean;
};

export type RedisClient = Redis | Cluster;

/** What the client's user decides; everything about the address is in the endpoint. */
export interface RedisBehaviour {
  /** Shown in CLIENT LIST. */
  connectionName: string;
  /** Longest time to establish a connection, milliseconds. */
  connectTimeoutMs: number;
  /** A connection that owes an answer and is silent for this long is broken off, milliseconds. */
  socketTimeoutMs: number;
  /** Longest wait for a graceful end of a connection, milliseconds. */
  disconnectTimeoutMs: number;
  /**
   * `refuse`: a command while the connection is away fails at once, and nothing is sent again after
   * a reconnect. `wait`: it waits for the connection, and what got no answer is sent again.
   */
  whenAway: 'refuse' | 'wait';
  autoPipelining: boolean;
  /** An answer that takes longer fails the command, milliseconds; undefined: no limit. */
  commandTimeoutMs?: number;
  /** Called for every connection failure; reconnecting goes on for ever. */
  onError: (error: Error) => void;
}

interface Address {
  host: string;
  port: number;
  username?: string;
  password?: string;
  db?: number;
  tls: boolean;
}

/**
 * Opens a client that connects in the background and reconnects for ever, waiting 50 ms, doubled up
 * to 2 s. Never emits an unhandled `error`.
 *
 * @throws ConfigError for an address that cannot be read.
 */
export function connectRedis(endpoint: RedisEndpoint, behaviour: RedisBehaviour): RedisClient {
  const [only = ''] = endpoint.redisAddr;
  const client = isSentinelAddress(only)
    ? connectThroughSentinels(only, endpoint, behaviour)
    : connectDirectly(endpoint, behaviour);
  client.on('error', behaviour.onError);
  return client;
}

function connectDirectly(endpoint: RedisEndpoint, behaviour: RedisBehaviour): RedisClient {
  const addresses = endpoint.redisAddr.map(parseRedisAddress);
  const [first] = addresses;
  if (first === undefined) throw new ConfigError('redis_addr is empty', { key: 'redis_addr' });
  const node = connectionOptions(endpoint, first, behaviour);
  if (addresses.length === 1 && endpoint.redisCluster !== true) {
    return new Redis({
      ...node,
      ...ofOneServer(behaviour),
      host: first.host,
      port: first.port,
      db: first.db ?? endpoint.redisDb,
    });
  }
  return new Cluster(
    addresses.map(({ host, port }) => ({ host, port })),
    {
      redisOptions: node,
      enableOfflineQueue: behaviour.whenAway === 'wait',
      enableAutoPipelining: behaviour.autoPipelining,
      clusterRetryStrategy: reconnectDelayMs,
      slotsRefreshTimeout: behaviour.connectTimeoutMs,
    } satisfies ClusterOptions,
  );
}

/** The master, and after a failover the new one. */
function connectThroughSentinels(
  text: string,
  endpoint: RedisEndpoint,
  behaviour: RedisBehaviour,
): RedisClient {
  const address = parseSentinelAddress(text);
  if (address === undefined) {
    throw new ConfigError('redis_addr: not redis+sentinel://host:port,host:port/master', {
      key: 'redis_addr',
    });
  }
  const { tls, sentinels, master, db } = address;
  const client = new Redis({
    ...connectionOptions(endpoint, address, behaviour),
    ...ofOneServer(behaviour),
    sentinels: sentinels.map((each) => ({ ...each })),
    name: master,
    role: 'master',
    db: db ?? endpoint.redisDb,
    sentinelRetryStrategy: reconnectDelayMs,
    sentinelCommandTimeout: behaviour.connectTimeoutMs,
    // Not ioredis' `failoverDetector`: a failover while it connects ends the client for good. Sentinels close
    // the connections of a master that they depose; should one stay, it refuses writes. Until then, see below.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
  });
  followOneMaster(text, client);
  return client;
}

function ofOneServer(behaviour: RedisBehaviour) {
  return {
    enableOfflineQueue: behaviour.whenAway === 'wait',
    enableAutoPipelining: behaviour.autoPipelining,
    // One for a whole turn already (`TurnBatch`): to pipeline that would cost it another turn of the event loop.
    autoPipeliningIgnoredCommands: ['mget'],
    retryStrategy: reconnectDelayMs,
  } satisfies RedisOptions;
}

function connectionOptions(
  { redisPassword }: RedisEndpoint,
  address: Pick<Address, 'tls'> & Partial<Pick<SentinelAddress, 'username' | 'password'>>,
  behaviour: RedisBehaviour,
) {
  const refuse = behaviour.whenAway === 'refuse';
  const password = address.password ?? (redisPassword === '' ? undefined : redisPassword);
  return {
    connectionName: behaviour.connectionName,
    connectTimeout: behaviour.connectTimeoutMs,
    socketTimeout: behaviour.socketTimeoutMs,
    disconnectTimeout: behaviour.disconnectTimeoutMs,
    // With 0 retries a broken connection rejects what it owes at once. With autoResend alone set to
    // false, ioredis would forget those commands without settling them.
    maxRetriesPerRequest: refuse ? 0 : null,
    autoResendUnfulfilledCommands: !refuse,
    // Who subscribes does so at each `ready`: ioredis would do it with a promise that nobody hears reject.
    autoResubscribe: false,
    ...(behaviour.commandTimeoutMs === undefined ? {} : { commandTimeout: behaviour.commandTimeoutMs }),
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(password === undefined ? {} : { password }),
    ...(address.tls ? { tls: {} } : {}),
  } satisfies RedisOptions;
}

/** Exponential from 50 ms to 2 s with jitter, so that a fleet does not come back in one moment. */
function reconnectDelayMs(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt - 1, 10), 2000) + Math.floor(Math.random() * 50);
}

/** @throws ConfigError that does not repeat the address: it may hold a password. */
export function parseRedisAddress(address: string): Address {
  const refuse = (why: string) => new ConfigError(`redis_addr: ${why}`, { key: 'redis_addr' });
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(address);
  let url: URL;
  try {
    url = new URL(hasScheme ? address : `redis://${address}`);
  } catch {
    throw refuse('an address is not host:port, redis:// or rediss://');
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw refuse(`the scheme ${url.protocol}// is not redis:// or rediss://`);
  }
  if (url.hostname === '') throw refuse('an address has no host');
  const path = url.pathname.replace(/^\/$/, '');
  if (path !== '' && !/^\/\d+$/.test(path)) throw refuse('the path of a URL must be a database number');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    tls: url.protocol === 'rediss:',
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(path === '' ? {} : { db: Number(path.slice(1)) }),
  };
}

/** Resolves when no socket is left, or after `timeoutMs`: ioredis destroys it by then. */
export async function disconnectRedis(client: RedisClient, timeoutMs: number): Promise<void> {
  if (client.status === 'end') return;
  // A client that waits to reconnect has no socket, and ioredis emits no `end` for it.
  const waits = client.status === 'reconnecting';
  const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
  client.disconnect();
  if (!waits) await settledWithin(ended, timeoutMs);
}

/** True if `promise` settled in time. Never rejects. */
export async function settledWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}
