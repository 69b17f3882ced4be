import { Cluster } from 'ioredis';
import { CircuitBreaker } from './circuit-breaker.js';
import { connectRedis, disconnectRedis, type RedisClient, type RedisEndpoint } from './redis-client.js';
import { type SharedTier, type TierEntry, TierError, type TierStats, type TierWrite } from './shared-tier.js';
import { assertFits, decodeTierValue, encodeTierValue, expiryMs, REPLACE_SCRIPT } from './tier-value.js';
import { TimedCalls } from './timed-calls.js';

export interface RedisCacheOptions extends RedisEndpoint {
  /** Connections, at least 1 (cluster: to each node). */
  readonly redisPoolSize: number;
  /** Entries are stored under `<cachePrefix>v:<key>`. */
  readonly cachePrefix: string;
  /** Longest wait of any call, milliseconds. @default 250 */
  readonly commandTimeoutMs?: number;
  /** Calls that may wait for an answer at one time; further ones are refused. @default 20000 */
  readonly maxInFlight?: number;
  /** Longest time to establish a connection, milliseconds. @default 5000 */
  readonly connectTimeoutMs?: number;
  /** Failures in a row that keep further calls away. @default 5 */
  readonly failureThreshold?: number;
  /** Refusal before the first probe, milliseconds; doubled up to 5 s. @default 100 */
  readonly openMs?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** Monotonic milliseconds, for the breaker. @default performance.now */
  readonly monotonicNow?: () => number;
  /** Every failed attempt to connect, and every connection that breaks. */
  readonly onConnectionError?: (error: Error) => void;
}

const ABSENT: Promise<TierEntry | undefined> = Promise.resolve(undefined);

/** Breaks a half-open connection; several command time-outs, so that one slow answer does not. */
const SOCKET_TIMEOUT_FACTOR = 8;

/**
 * L2 on Redis or Redis Cluster: every call bounded in time, nothing queued for a Redis that is away.
 *
 *     connecting ──(connected)──▶ ready ──(the connection of writes breaks, or the breaker opens)──┐
 *                                   ▲                                                            ▼
 *                                   └──────────(connected again, and a PING passed)──────────── away
 *     any of them ──close()──▶ closed
 *
 * Connections: reads rotate over the pool, once per turn of the event loop, so that the calls of one
 * turn share a pipeline and the next turn does not queue behind it (rotating per call would cut a
 * batch into `redisPoolSize` packets). Writes all take the first connection: they reach Redis in the
 * order of the calls, even when an earlier one was given up by its caller.
 */
export class RedisCache implements SharedTier {
  readonly #clients: readonly RedisClient[];
  readonly #cluster: boolean;
  readonly #prefix: string;
  readonly #calls: TimedCalls;
  readonly #breaker: CircuitBreaker;
  readonly #now: () => number;
  readonly #monotonicNow: () => number;
  readonly #commandTimeoutMs: number;
  readonly #maxInFlight: number;
  #next = 0;
  #rotates = false;
  #closed = false;
  #hits = 0;
  #misses = 0;
  #refused = 0;

  private constructor(options: RedisCacheOptions) {
    this.#prefix = `${options.cachePrefix}v:`;
    this.#now = options.now ?? Date.now;
    this.#monotonicNow = options.monotonicNow ?? (() => performance.now());
    this.#commandTimeoutMs = options.commandTimeoutMs ?? 250;
    this.#maxInFlight = options.maxInFlight ?? 20_000;
    this.#breaker = new CircuitBreaker({
      now: this.#monotonicNow,
      probe: () => this.#probe(),
      ...(options.failureThreshold === undefined ? {} : { failureThreshold: options.failureThreshold }),
      ...(options.openMs === undefined ? {} : { openMs: options.openMs }),
    });
    this.#calls = new TimedCalls(this.#commandTimeoutMs, this.#breaker);
    this.#clients = Array.from({ length: Math.max(1, options.redisPoolSize) }, () =>
      connectRedis(options, {
        connectionName: 'zmsg-l2',
        connectTimeoutMs: options.connectTimeoutMs ?? 5000,
        socketTimeoutMs: this.#commandTimeoutMs * SOCKET_TIMEOUT_FACTOR,
        disconnectTimeoutMs: this.#commandTimeoutMs,
        whenAway: 'refuse',
        autoPipelining: true,
        onError: options.onConnectionError ?? (() => {}),
      }),
    );
    this.#cluster = this.#clients[0] instanceof Cluster;
    for (const client of this.#clients) client.on('ready', () => this.#breaker.hurry());
  }

  /**
   * Connects in the background: resolves when the tier is ready, or after `waitMs` with the tier
   * `away`. Never rejects because Redis is not there.
   *
   * @throws ConfigError for an address that cannot be read.
   */
  static async open(options: RedisCacheOptions, waitMs = 1000): Promise<RedisCache> {
    const cache = new RedisCache(options);
    await cache.#waitUntilReady(waitMs);
    return cache;
  }

  get(key: string): Promise<TierEntry | undefined> {
    const client = this.#reader();
    if (client === undefined) return ABSENT;
    return this.#calls.run(client.getBuffer(this.#prefix + key)).then(
      (stored) => this.#found(stored),
      () => undefined, // counted by #calls; a read falls through
    );
  }

  async getMany(keys: readonly string[]): Promise<Map<string, TierEntry>> {
    const found = new Map<string, TierEntry>();
    if (keys.length === 0) return found;
    const client = this.#reader();
    if (client === undefined) return found;
    const names = keys.map((key) => this.#prefix + key);
    // MGET must stay in one slot of a cluster; there auto-pipelining makes one batch of GETs per node.
    const reply: Promise<(Buffer | null)[]> = this.#cluster
      ? Promise.all(names.map((name) => client.getBuffer(name)))
      : client.mgetBuffer(names);
    let stored: (Buffer | null)[];
    try {
      stored = await this.#calls.run(reply);
    } catch {
      return found; // counted by #calls; a read falls through
    }
    for (const [index, key] of keys.entries()) {
      const entry = this.#found(stored[index] ?? null);
      if (entry !== undefined) found.set(key, entry);
    }
    return found;
  }

  async set(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    const client = this.#writer();
    await this.#calls.run(this.#store(client, { key, value, ttlMs }));
  }

  async setMany(entries: readonly TierWrite[]): Promise<void> {
    if (entries.length === 0) return;
    for (const entry of entries) assertFits(entry.value);
    const client = this.#writer();
    // Auto-pipelining sends the commands of one turn together.
    await this.#calls.run(Promise.all(entries.map((entry) => this.#store(client, entry))));
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const client = this.#writer();
    const names = keys.map((key) => this.#prefix + key);
    await this.#calls.run<unknown>(
      this.#cluster ? Promise.all(names.map((name) => client.unlink(name))) : client.unlink(names),
    );
  }

  async replace(key: string, value: Uint8Array): Promise<boolean> {
    assertFits(value);
    const client = this.#writer();
    const replaced = await this.#calls.run(
      client.eval(REPLACE_SCRIPT, 1, this.#prefix + key, asBuffer(value)),
    );
    return replaced === 1;
  }

  /** Scans by and by: what is written meanwhile may be deleted, too. */
  async clear(): Promise<void> {
    const first = this.#writer();
    const nodes = first instanceof Cluster ? first.nodes('master') : [first];
    const match = `${this.#prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
    for (const node of nodes) {
      let cursor = '0';
      do {
        const [next, names] = await this.#calls.run(node.scanBuffer(cursor, 'MATCH', match, 'COUNT', 1_000));
        await this.#calls.run(Promise.all(names.map((name) => node.unlink(name))));
        cursor = next.toString();
      } while (cursor !== '0');
    }
  }

  async ping(): Promise<number> {
    const client = this.#writer();
    const sentAt = this.#monotonicNow();
    await this.#calls.run(client.ping());
    return this.#monotonicNow() - sentAt;
  }

  stats(): TierStats {
    const { inFlight, errors, timeouts } = this.#calls;
    const { state: breaker } = this.#breaker;
    // Reads can do with any connection; the first one is what writes need.
    const ready = breaker === 'closed' && this.#clients[0]?.status === 'ready';
    return {
      hits: this.#hits,
      misses: this.#misses,
      errors,
      timeouts,
      refused: this.#refused,
      state: this.#closed ? 'closed' : ready ? 'ready' : 'away',
      breaker,
      inFlight,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#calls.idle();
    await Promise.all(this.#clients.map((client) => disconnectRedis(client, this.#commandTimeoutMs * 2)));
  }

  #store(client: RedisClient, { key, value, ttlMs }: TierWrite): Promise<unknown> {
    const name = this.#prefix + key;
    if (!(ttlMs > 0)) return client.unlink(name);
    const stored = encodeTierValue(value, ttlMs, this.#now());
    const pxMs = expiryMs(ttlMs);
    return pxMs === undefined ? client.set(name, stored) : client.set(name, stored, 'PX', pxMs);
  }

  #found(stored: Buffer | null): TierEntry | undefined {
    const entry = stored === null ? undefined : decodeTierValue(stored, this.#now());
    if (entry === undefined) this.#misses += 1;
    else this.#hits += 1;
    return entry;
  }

  /** The connection for a read, or undefined: refused. */
  #reader(): RedisClient | undefined {
    if (this.#admits()) {
      const { length } = this.#clients;
      for (let tried = 0; tried < length; tried++) {
        const client = this.#clients[this.#next % length];
        if (client?.status === 'ready') {
          this.#rotateNextTurn();
          return client;
        }
        this.#next += 1;
      }
    }
    this.#refused += 1;
    return undefined;
  }

  /** @throws TierError */
  #writer(): RedisClient {
    const client = this.#clients[0];
    if (client?.status === 'ready' && this.#admits()) return client;
    this.#refused += 1;
    throw new TierError('refused', this.#closed ? 'the shared cache is closed' : 'Redis is away');
  }

  #admits(): boolean {
    return !this.#closed && this.#breaker.allows() && this.#calls.inFlight < this.#maxInFlight;
  }

  #rotateNextTurn(): void {
    if (this.#rotates) return;
    this.#rotates = true;
    setImmediate(() => {
      this.#rotates = false;
      this.#next = (this.#next + 1) % this.#clients.length;
    });
  }

  /** One PING beside the breaker, on the connection that writes need. */
  async #probe(): Promise<void> {
    const client = this.#clients[0];
    if (this.#closed || client?.status !== 'ready') throw new TierError('refused', 'Redis is away');
    await this.#calls.run(client.ping());
  }

  async #waitUntilReady(waitMs: number): Promise<void> {
    const [client] = this.#clients;
    if (client === undefined || client.status === 'ready') return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        client.off('ready', done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      client.once('ready', done);
    });
  }
}

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
