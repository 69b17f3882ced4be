import { randomUUID } from 'node:crypto';
import { Cluster } from 'ioredis';
import { CircuitBreaker } from '../l2/circuit-breaker.js';
import { connectRedis, disconnectRedis, type RedisClient, type RedisEndpoint } from '../l2/redis-client.js';
import { runScript, type ScriptArgument } from '../l2/run-script.js';
import { TimedCalls } from '../l2/timed-calls.js';

export interface FlightLeasesOptions extends RedisEndpoint {
  /** A lease is `<cachePrefix>f:<key>`. */
  readonly cachePrefix: string;
  /** A lease that nobody renews ends after this long: what a holder that died costs, milliseconds. */
  readonly leaseMs: number;
  /** Longest wait for any answer, milliseconds. @default 250 */
  readonly commandTimeoutMs?: number;
  /** Every failed attempt to connect, and every connection that breaks. */
  readonly onConnectionError?: (error: Error) => void;
}

/** One key's load, as its lease names it. */
export interface Flight {
  readonly key: string;
  /** Who loads, and the how-manieth load of his; no two are equal. */
  readonly token: string;
}

export type LeaseState =
  /** Its holder loads. */
  | 'held'
  /** The holder found a value and told L2. */
  | 'filled'
  /** The holder had nothing to put there: the key is absent, or its load failed. */
  | 'empty';

/** Somebody else's lease on a key. */
export interface FoundLease {
  readonly state: LeaseState;
  readonly token: string;
}

/** `taken`: the key is ours to load. `unknown`: Redis does not answer. */
export type Claimed = 'taken' | 'unknown' | FoundLease;

/*
 * A lease's text: state (one letter), node, '.', number. What is over stays for a second: a node that
 * missed L2 just before it was filled finds that out when it comes for the lease.
 */
const LETTER: Readonly<Record<LeaseState, string>> = { held: 'h', filled: 'f', empty: 'e' };
const SETTLED_MS = 1000;

/**
 * node, lease ms, then for each key: own token, the lease that the caller knows of ('' for none) →
 * for each key '' (taken) or the lease that is in the way.
 *
 * In the way is a lease that is held, one that was filled (unless the caller knows: L2 has lost it
 * again), and one that the caller waited for and that came to nothing. Nothing of the caller's own is:
 * a process has one flight of a key, so that one was overtaken by a write.
 */
const CLAIM = `
local all, replies, node = redis.call('MGET', unpack(KEYS)), {}, ARGV[1] .. '.'
for n = 1, #KEYS do
  local token, known, found = ARGV[n * 2 + 1], ARGV[n * 2 + 2], all[n]
  local isFree = not found or string.sub(found, 2, #node + 1) == node
  if not isFree and found == known then isFree = string.sub(found, 1, 1) ~= 'h' end
  if not isFree and string.sub(found, 1, 1) == 'e' then isFree = string.sub(found, 2) ~= string.sub(known, 2) end
  if isFree then redis.call('SET', KEYS[n], 'h' .. token, 'PX', ARGV[2]) end
  replies[n] = isFree and '' or found
end
return replies`;

/** ms, then for each key: the lease that is expected, what it becomes ('' for the same). */
const SETTLE = `
local all = redis.call('MGET', unpack(KEYS))
for n = 1, #KEYS do
  local expected, becomes = ARGV[n * 2], ARGV[n * 2 + 1]
  if all[n] == expected then
    redis.call('SET', KEYS[n], becomes == '' and expected or becomes, 'PX', ARGV[1])
  end
end
return 1`;

const KEYS_PER_CALL = 500;
const CONNECT_TIMEOUT_MS = 5000;
const DISCONNECT_TIMEOUT_MS = 500;
/** See `RedisCache`. */
const SOCKET_TIMEOUT_FACTOR = 8;

/**
 * Short leases in Redis: which node loads a key. Nothing here rejects, and every answer comes in
 * bounded time: leases spare the database work, and without them every node loads.
 *
 * Each key is touched by commands of its own, so any slot of a cluster will do; on a single Redis the
 * keys of one call share one command.
 */
export class FlightLeases {
  readonly leaseMs: number;
  readonly #redis: RedisClient;
  readonly #prefix: string;
  readonly #calls: TimedCalls;
  readonly #breaker: CircuitBreaker;
  readonly #node = randomUUID();
  #flights = 0;

  constructor(options: FlightLeasesOptions) {
    this.leaseMs = options.leaseMs;
    this.#prefix = `${options.cachePrefix}f:`;
    const commandTimeoutMs = options.commandTimeoutMs ?? 250;
    this.#breaker = new CircuitBreaker({
      now: () => performance.now(),
      probe: () => this.#calls.run(this.#redis.ping()),
    });
    this.#calls = new TimedCalls(commandTimeoutMs, this.#breaker);
    this.#redis = connectRedis(options, {
      connectionName: 'zmsg-flight',
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      socketTimeoutMs: commandTimeoutMs * SOCKET_TIMEOUT_FACTOR,
      disconnectTimeoutMs: DISCONNECT_TIMEOUT_MS,
      whenAway: 'refuse',
      autoPipelining: false,
      onError: options.onConnectionError ?? (() => {}),
    });
    this.#redis.on('ready', () => this.#breaker.hurry());
  }

  /** A new load of the key, not yet claimed. */
  flight(key: string): Flight {
    this.#flights += 1;
    return { key, token: `${this.#node}.${this.#flights}` };
  }

  /** Takes the leases that are free; `known`: see `CLAIM`. One round trip. */
  async claim(wanted: readonly { flight: Flight; known: FoundLease | undefined }[]): Promise<Claimed[]> {
    const replies = await this.#run(
      CLAIM,
      [this.#node, this.leaseMs],
      wanted.map(({ flight, known }) => ({
        key: flight.key,
        args: [flight.token, known === undefined ? '' : LETTER[known.state] + known.token],
      })),
    );
    return replies.map(claimed);
  }

  /** The loads are over. Losing this costs those who wait the rest of the lease. */
  async settle(flights: readonly { flight: Flight; state: 'filled' | 'empty' }[]): Promise<void> {
    await this.#run(
      SETTLE,
      [SETTLED_MS],
      flights.map(({ flight: { key, token }, state }) => ({
        key,
        args: [LETTER.held + token, LETTER[state] + token],
      })),
    );
  }

  /** The loads go on. */
  async renew(flights: readonly Flight[]): Promise<void> {
    await this.#run(
      SETTLE,
      [this.leaseMs],
      flights.map(({ key, token }) => ({ key, args: [LETTER.held + token, ''] })),
    );
  }

  /** Waits for answers, at most one time-out, and closes the connection. */
  async close(): Promise<void> {
    await this.#calls.idle();
    await disconnectRedis(this.#redis, DISCONNECT_TIMEOUT_MS);
  }

  /** What the script says of each key; undefined where Redis did not answer. */
  async #run(
    script: string,
    head: readonly ScriptArgument[],
    keys: readonly { key: string; args: readonly string[] }[],
  ): Promise<unknown[]> {
    if (this.#redis.status !== 'ready' || !this.#breaker.allows()) return keys.map(() => undefined);
    const perCall = this.#redis instanceof Cluster ? 1 : KEYS_PER_CALL;
    const calls: Promise<unknown[]>[] = [];
    for (let at = 0; at < keys.length; at += perCall) {
      const part = keys.slice(at, at + perCall);
      const names = part.map(({ key }) => this.#prefix + key);
      const call = runScript(this.#redis, script, names, [...head, ...part.flatMap(({ args }) => args)]);
      calls.push(
        this.#calls.run(call).then(
          (replies) => (Array.isArray(replies) ? replies : []),
          () => part.map(() => undefined), // counted by #calls; the key is loaded without a lease
        ),
      );
    }
    return (await Promise.all(calls)).flat();
  }
}

function claimed(reply: unknown): Claimed {
  if (!Buffer.isBuffer(reply)) return 'unknown';
  if (reply.length === 0) return 'taken';
  const text = reply.toString();
  const token = text.slice(1);
  if (text.startsWith(LETTER.filled)) return { state: 'filled', token };
  return { state: text.startsWith(LETTER.empty) ? 'empty' : 'held', token };
}
