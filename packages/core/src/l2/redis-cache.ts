import { Cluster, type Redis } from 'ioredis';
import { CircuitBreaker } from './circuit-breaker.js';
import { connectRedis, disconnectRedis, type RedisClient, type RedisEndpoint } from './redis-client.js';
import { runScript, runScriptText, type ScriptArgument } from './run-script.js';
import { SetBatch } from './set-batch.js';
import {
  type SharedTier,
  type TierEnd,
  type TierEntry,
  TierError,
  type TierLease,
  type TierOutcome,
  type TierStats,
  type TierWrite,
} from './shared-tier.js';
import {
  BEGIN,
  DELETE,
  END,
  END_LEASES,
  KEEP_CACHED,
  LEASE_MS,
  MARK_MS,
  REPLACE,
  TAKE_LEASES,
} from './tier-scripts.js';
import { tierToken } from './tier-token.js';
import {
  assertFits,
  decodeTierValue,
  encodeLease,
  encodeTierValue,
  expiryMs,
  isLease,
} from './tier-value.js';
import { TimedCalls } from './timed-calls.js';
import { TurnBatch } from './turn-batch.js';

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

/** Answers of `END`. */
const ENDS: Readonly<Record<number, TierEnd>> = { 0: 'conflict', 1: 'done', 2: 'absent' };
const NO_VALUE = Buffer.alloc(0);

interface NamedLease {
  readonly name: string;
  readonly lease: TierLease;
}

interface EndedLease extends NamedLease {
  /** A record; empty: the load came to nothing. */
  readonly stored: Buffer;
  readonly px: number | '';
}

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
  readonly #servers: string;
  #onReconnect: () => void = () => {};
  readonly #sets = new SetBatch((script, names, args) => this.#sendSets(script, names, args));
  readonly #reads = new TurnBatch((names: string[], calls) => this.#sendReads(names, calls));
  readonly #leases = new TurnBatch((leases: NamedLease[]) => this.#sendLeases(leases));
  readonly #ends = new TurnBatch((ends: EndedLease[]) => this.#sendEnds(ends));
  #next = 0;
  #rotates = false;
  #closed = false;
  #hits = 0;
  #misses = 0;
  #refused = 0;

  private constructor(options: RedisCacheOptions) {
    this.#prefix = `${options.cachePrefix}v:`;
    this.#servers = `${options.cachePrefix}servers`;
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
    for (const client of this.#clients) {
      let isNew = true;
      client.on('ready', () => {
        if (!isNew) this.#onReconnect();
        isNew = false;
        this.#breaker.hurry();
      });
      client.on('close', () => {
        isNew = false;
      });
      // Of a cluster, whose client stays ready when one of its servers is replaced.
      client.on('-node', () => this.#onReconnect());
    }
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

  async get(key: string): Promise<TierEntry | undefined> {
    return (await this.getMany([key])).get(key);
  }

  async getMany(keys: readonly string[]): Promise<Map<string, TierEntry>> {
    const found = new Map<string, TierEntry>();
    if (keys.length === 0) return found;
    const client = this.#reader();
    if (client === undefined) return found;
    const names = keys.map((key) => this.#prefix + key);
    let stored: readonly (Buffer | null)[];
    try {
      // MGET must stay in one slot of a cluster; there auto-pipelining makes one batch of GETs per node, and a
      // master that is away costs only the calls that ask for its keys.
      stored = this.#cluster
        ? await this.#calls.run(Promise.all(names.map((name) => client.getBuffer(name))))
        : await this.#reads.addAll(names);
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
    // In a cluster the keys of a command must share a slot; auto-pipelining sends those of one turn together.
    if (this.#cluster || !(ttlMs > 0)) {
      await this.#calls.run(this.#store(this.#writer(), { key, value, ttlMs }));
      return;
    }
    this.#checkWriter();
    const stored = encodeTierValue(value, 'cached', ttlMs, this.#now());
    await this.#sets.add(this.#prefix + key, stored, expiryMs(ttlMs));
  }

  async setMany(entries: readonly TierWrite[]): Promise<void> {
    if (entries.length === 0) return;
    for (const entry of entries) assertFits(entry.value);
    await Promise.all(entries.map(({ key, value, ttlMs }) => this.set(key, value, ttlMs)));
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const client = this.#writer();
    const names = keys.map((key) => this.#prefix + key);
    await this.#calls.run<unknown>(
      this.#cluster
        ? Promise.all(names.map((name) => runScript(client, DELETE, [name], [])))
        : runScript(client, DELETE, names, []),
    );
  }

  async replace(key: string, value: Uint8Array): Promise<boolean> {
    assertFits(value);
    return (await this.#script(REPLACE, key, [asBuffer(value)])) === 1;
  }

  async keepsCached(key: string): Promise<boolean> {
    return (await this.#script(KEEP_CACHED, key, [])) === 1;
  }

  async lease(key: string): Promise<TierLease | TierEntry | undefined> {
    const lease = encodeLease(tierToken());
    let found: unknown;
    try {
      found = await this.#each(this.#leases, { name: this.#prefix + key, lease });
    } catch {
      return undefined; // counted by #calls; the load goes on without
    }
    if (!Buffer.isBuffer(found)) return lease;
    // Another node's load began under it: as long as it stands, neither of the two is old.
    if (isLease(found)) return found;
    return decodeTierValue(found, this.#now());
  }

  async fill(key: string, value: Uint8Array, ttlMs: number, lease: TierLease): Promise<boolean> {
    const stored = encodeTierValue(value, 'loaded', ttlMs, this.#now());
    const end = { name: this.#prefix + key, lease, stored, px: expiryMs(ttlMs) ?? ('' as const) };
    return (await this.#each(this.#ends, end, stored.length)) === 1;
  }

  async giveBack(key: string, lease: TierLease): Promise<void> {
    await this.#each(this.#ends, { name: this.#prefix + key, lease, stored: NO_VALUE, px: '' });
  }

  async begin(key: string, token: Buffer, again = false): Promise<void> {
    await this.#script(BEGIN, key, [token, MARK_MS, again ? '1' : '']);
  }

  async end(key: string, token: Buffer, outcome: TierOutcome): Promise<TierEnd> {
    const ttlMs = outcome.mode === 'set' ? outcome.ttlMs : Number.POSITIVE_INFINITY;
    const stored =
      'value' in outcome ? encodeTierValue(outcome.value, 'stored', ttlMs, this.#now()) : NO_VALUE;
    const reply = await this.#script(END, key, [token, outcome.mode, stored, expiryMs(ttlMs) ?? '']);
    return ENDS[Number(reply)] ?? 'conflict';
  }

  /** Scans by and by: what is written meanwhile may be deleted, too. */
  async clear(): Promise<void> {
    const nodes = this.#masters();
    const servers = await this.#serverIds();
    const match = `${this.#prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
    for (const node of nodes) {
      let cursor = '0';
      do {
        const [next, names] = await this.#calls.run(node.scanBuffer(cursor, 'MATCH', match, 'COUNT', 1_000));
        await this.#calls.run(Promise.all(names.map((name) => node.unlink(name))));
        cursor = next.toString();
      } while (cursor !== '0');
    }
    await this.#calls.run(this.#writer().sadd(this.#servers, ...servers));
  }

  /** Redis itself holds the identities of the servers that had everything, or were cleared. */
  async hasOtherServers(): Promise<boolean> {
    const servers = await this.#serverIds();
    const known = await this.#calls.run(this.#writer().smembers(this.#servers));
    if (known.length > 0) return servers.some((server) => !known.includes(server));
    // The first node to come, or an empty Redis.
    await this.#calls.run(this.#writer().sadd(this.#servers, ...servers));
    return false;
  }

  onReconnect(listener: () => void): void {
    this.#onReconnect = listener;
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
    for (const batch of [this.#sets, this.#reads, this.#leases, this.#ends]) batch.flush();
    this.#closed = true;
    await this.#calls.idle();
    await Promise.all(this.#clients.map((client) => disconnectRedis(client, this.#commandTimeoutMs * 2)));
  }

  #masters(): Redis[] {
    const client = this.#writer();
    return client instanceof Cluster ? client.nodes('master') : [client];
  }

  /**
   * A process, and its time as a master: one that was a replica in between has another replication id, since what
   * the masters before it took last may never have come to it.
   */
  async #serverIds(): Promise<string[]> {
    const identify = async (node: Redis) => {
      const [server, replication] = await Promise.all([node.info('server'), node.info('replication')]);
      return `${found(/run_id:(\w+)/, server)}:${found(/master_replid:(\w+)/, replication)}`;
    };
    return this.#calls.run(Promise.all(this.#masters().map(identify)));
  }

  #store(client: RedisClient, { key, value, ttlMs }: TierWrite): Promise<unknown> {
    const name = this.#prefix + key;
    if (!(ttlMs > 0)) return client.unlink(name);
    const stored = encodeTierValue(value, 'cached', ttlMs, this.#now());
    const pxMs = expiryMs(ttlMs);
    return pxMs === undefined ? client.set(name, stored) : client.set(name, stored, 'PX', pxMs);
  }

  async #script(script: string, key: string, args: readonly ScriptArgument[]): Promise<unknown> {
    const client = this.#writer();
    return this.#calls.run(runScript(client, script, [this.#prefix + key], args));
  }

  /** In a cluster each alone: the keys of a command must share a slot. */
  #each<T>(batch: TurnBatch<T, unknown>, item: T, bytes = 0): Promise<unknown> {
    this.#checkWriter();
    const answer = batch.add(item, bytes);
    if (this.#cluster) batch.flush();
    return answer;
  }

  /** Of one turn; sent when the connections may be others than when they were asked for. */
  async #sendReads(names: string[], calls: number): Promise<readonly (Buffer | null)[]> {
    const client = this.#reader();
    if (client === undefined) throw new TierError('refused', 'Redis is away');
    return this.#calls.run(client.mgetBuffer(names), calls);
  }

  #sendLeases(leases: readonly NamedLease[]): Promise<readonly unknown[]> {
    const args = [LEASE_MS, ...leases.map(({ lease }) => lease)];
    return this.#runEach(TAKE_LEASES, leases, args);
  }

  #sendEnds(ends: readonly EndedLease[]): Promise<readonly unknown[]> {
    const args = ends.flatMap(({ lease, stored, px }) => [lease, stored, px]);
    return this.#runEach(END_LEASES, ends, args);
  }

  async #runEach(
    script: string,
    items: readonly NamedLease[],
    args: readonly ScriptArgument[],
  ): Promise<readonly unknown[]> {
    const names = items.map(({ name }) => name);
    const reply = runScript(this.#writer(), script, names, args) as Promise<unknown[]>;
    return this.#calls.run(reply, items.length);
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

  /** The connection for a write, after those that were called for before. @throws TierError */
  #writer(): RedisClient {
    this.#sets.flush();
    return this.#checkWriter();
  }

  /** @throws TierError */
  #checkWriter(): RedisClient {
    const client = this.#clients[0];
    if (client?.status === 'ready' && this.#admits()) return client;
    this.#refused += 1;
    throw new TierError('refused', this.#closed ? 'the shared cache is closed' : 'Redis is away');
  }

  async #sendSets(
    script: string,
    names: readonly string[],
    args: readonly ScriptArgument[],
  ): Promise<unknown> {
    // What was taken goes out, or fails as any command does: whatever became of Redis since.
    const client = this.#clients[0] as RedisClient;
    return this.#calls.run(runScriptText(client, script, names, args), names.length);
  }

  #admits(): boolean {
    return !this.#closed && this.#breaker.allows() && this.#inFlight() < this.#maxInFlight;
  }

  /** Waiting to be sent, or for an answer. */
  #inFlight(): number {
    return this.#calls.inFlight + this.#sets.size + this.#reads.calls + this.#leases.calls + this.#ends.calls;
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

function found(pattern: RegExp, info: string): string {
  return pattern.exec(info)?.[1] ?? 'unknown';
}

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
