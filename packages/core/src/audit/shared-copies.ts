import { Cluster, type Redis } from 'ioredis';
import { ConfigError } from '../error.js';
import { connectRedis, disconnectRedis, type RedisClient, type RedisEndpoint } from '../l2/redis-client.js';
import { decodeTierValue, isLoaded } from '../l2/tier-value.js';
import type { Copy } from './audit-message.js';
import { digestOf } from './digest.js';

export interface SharedCopy extends Copy {
  /**
   * `cached`: the caches alone have it, or it is ahead of the database. `stored`: the database had it, a
   * strong write cached it. `loaded`: the same, as a loader built it.
   */
  readonly kind: 'cached' | 'stored' | 'loaded';
}

export interface SharedCopiesOptions extends RedisEndpoint {
  readonly cachePrefix: string;
  /** Longest wait for the connection, and for each answer, milliseconds. */
  readonly timeoutMs: number;
}

const DISCONNECT_TIMEOUT_MS = 500;
/** Random keys that are looked at for each that is wanted: Redis has others, too. */
const TRIES_PER_KEY = 4;
const MAX_TRIES = 1_000;

/** L2 as an auditor reads it: what is there is told with what is known of it, and a failure is one. */
export class SharedCopies {
  readonly #redis: RedisClient;
  readonly #prefix: string;

  private constructor(redis: RedisClient, cachePrefix: string) {
    this.#redis = redis;
    this.#prefix = `${cachePrefix}v:`;
  }

  /** @throws ConfigError when Redis cannot be reached in time, or its address cannot be read */
  static async open({ cachePrefix, timeoutMs, ...endpoint }: SharedCopiesOptions): Promise<SharedCopies> {
    let last: Error | undefined;
    const redis = connectRedis(endpoint, {
      connectionName: 'zmsg-audit',
      connectTimeoutMs: timeoutMs,
      socketTimeoutMs: timeoutMs,
      disconnectTimeoutMs: DISCONNECT_TIMEOUT_MS,
      whenAway: 'refuse',
      autoPipelining: true,
      commandTimeoutMs: timeoutMs,
      onError: (error) => {
        last = error;
      },
    });
    const isReady = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs, false);
      redis.once('ready', () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    if (isReady) return new SharedCopies(redis, cachePrefix);
    await disconnectRedis(redis, DISCONNECT_TIMEOUT_MS);
    throw new ConfigError(`Redis cannot be reached: ${last?.message ?? `no answer in ${timeoutMs} ms`}`, {
      key: 'redis_addr',
      cause: last,
    });
  }

  /** Up to `count` keys, at random. @throws Error when Redis does not answer */
  async sample(count: number): Promise<string[]> {
    const tries = Math.min(MAX_TRIES, count * TRIES_PER_KEY);
    const servers = this.#servers();
    const names = await Promise.all(
      Array.from({ length: tries }, (_, n) => (servers[n % servers.length] as Redis).randomkey()),
    );
    const keys = new Set<string>();
    for (const name of names) {
      if (keys.size >= count) break;
      if (name?.startsWith(this.#prefix)) keys.add(name.slice(this.#prefix.length));
    }
    return [...keys];
  }

  /** What L2 has of these keys. @throws Error when Redis does not answer */
  async read(keys: readonly string[]): Promise<Map<string, SharedCopy>> {
    const records = await Promise.all(keys.map((key) => this.#redis.getBuffer(this.#prefix + key)));
    const nowMs = Date.now();
    const copies = new Map<string, SharedCopy>();
    for (const [at, key] of keys.entries()) {
      const record = records[at];
      const entry = record && decodeTierValue(record, 0);
      // By its own clock it is over; Redis is about to delete it.
      if (entry === undefined || entry === null || entry.remainingTtlMs <= nowMs) continue;
      copies.set(key, {
        digest: digestOf(entry.value).toString('hex'),
        expiresAtMs: entry.remainingTtlMs,
        kind: record && isLoaded(record) ? 'loaded' : entry.kind,
      });
    }
    return copies;
  }

  /** Redis has dropped keys for want of memory since it was started. @throws Error when it does not answer */
  async hasEvicted(): Promise<boolean> {
    const infos = await Promise.all(this.#servers().map((server) => server.info('stats')));
    return infos.some((info) => !/^evicted_keys:0\r?$/m.test(info));
  }

  close(): Promise<void> {
    return disconnectRedis(this.#redis, DISCONNECT_TIMEOUT_MS);
  }

  #servers(): Redis[] {
    return this.#redis instanceof Cluster ? this.#redis.nodes('master') : [this.#redis];
  }
}
