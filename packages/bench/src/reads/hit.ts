import type { BentoCache } from 'bentocache';
import { Cacheable, createKeyv } from 'cacheable';
import { LRUCache } from 'lru-cache';
import { atLeast } from '../bar.js';
import { type Contender, contest, ratioOf } from '../contest.js';
import { number } from '../format.js';
import { inFlight } from '../in-flight.js';
import { memoryBento, twoLevelBento } from '../peers/bento.js';
import { CacheAside } from '../peers/cache-aside.js';
import { DrizzleFeeds } from '../peers/drizzle-feeds.js';
import { CONTENT_LENGTH, feedContent, feedId } from '../peers/feed-table.js';
import type { Bar, Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';
import { loopTurn } from './loop-turn.js';

const KEYS = 10_000;
/** Nine caches are filled with them, which takes longer than all rounds of a quick run. */
const QUICK_KEYS = 2_000;
const LOOP = 1_000;
const IN_FLIGHT = 100;
const TTL_MS = 3_600_000;
const GET = 'await get';
const REDIS = 'await ioredis GET';
const BENTO = 'await bentocache (memory)';
const CACHEABLE = 'await cacheable (memory)';
const CACHEABLE_UNCLONED = 'await cacheable (memory, useClone: false)';

type Value = Uint8Array | string | null | undefined;

/** One key after the other is in the nearest place where each contender looks for it. */
export async function compareHits(
  { zm, redis, pool, redisAddr }: Stage,
  options: SuiteOptions,
  bars: Bar[],
): Promise<Contest> {
  const keys = Array.from({ length: options.quick ? QUICK_KEYS : KEYS }, (_, n) => feedId(n));
  const lru = new LRUCache<string, Buffer>({ max: keys.length, ttl: TTL_MS });
  const map = new Map<string, Buffer>();
  const bento = memoryBento(keys.length);
  const bentoOverRedis = twoLevelBento(redisAddr, keys.length);
  const cacheable = new Cacheable({ ttl: TTL_MS });
  const uncloned = new Cacheable({ primary: createKeyv({ useClone: false }), ttl: TTL_MS });
  const aside = new CacheAside(redis, pool);
  const drizzle = new DrizzleFeeds(redis, pool);
  await inFlight(keys.length, IN_FLIGHT, async (n) => {
    const key = keys[n] as string;
    const content = feedContent(n);
    // Each cache has values of its own.
    const value = () => Buffer.from(content);
    lru.set(key, value());
    map.set(key, value());
    await Promise.all([
      zm.cacheOnly(key, value()),
      bento.set({ key, value: value(), ttl: TTL_MS }),
      bentoOverRedis.set({ key, value: content, ttl: TTL_MS }),
      cacheable.set(key, value()),
      uncloned.set(key, value()),
      redis.set(key, content, 'PX', TTL_MS),
      // Both load it from PostgreSQL.
      aside.get(key),
      drizzle.get(key),
    ]);
  });
  const contenders = [
    awaiting(GET, 'a Buffer from shared memory, not to be written to', LOOP, (key) => zm.get(key), true),
    reading('peek', 'the same, without a promise', (key) => zm.peek(key), true),
    reading('lru-cache', 'the object that was stored', (key) => lru.get(key)),
    reading('Map', 'the object that was stored; no bound, no TTL', (key) => map.get(key)),
    awaiting(BENTO, 'the object that was stored', LOOP, (key) => bento.get<Buffer>({ key })),
    awaiting('await bentocache (memory over Redis)', 'parsed from JSON in its memory', LOOP, (key) =>
      bentoOverRedis.get<string>({ key }),
    ),
    awaiting(CACHEABLE, 'a deep copy of the object that was stored', LOOP, (key) =>
      cacheable.get<Uint8Array>(key),
    ),
    awaiting(CACHEABLE_UNCLONED, 'the object that was stored', LOOP, (key) => uncloned.get<Buffer>(key)),
    awaiting(REDIS, 'a round trip on loopback', 1, (key) => redis.getBuffer(key)),
    awaiting('await cache-aside by hand', 'a round trip on loopback', 1, (key) => aside.get(key)),
    awaiting('await Drizzle, cached in Redis', 'a round trip on loopback, parsed from JSON', 1, (key) =>
      drizzle.get(key),
    ),
  ];
  try {
    for (const { name, get } of contenders) await verify(name, keys.length, get);
    // A time would be fewer reads on a busy machine: until what a thread reads often is near it.
    const warmUp = contenders.map((contender) => cycling(contender, keys)).filter(isInMemory);
    for (let n = 0; n < (options.quick ? 3 : 20) * (keys.length / LOOP); n++) {
      for (const { run } of warmUp) {
        await loopTurn();
        await run();
      }
    }
    const hit = await contest(
      contenders.map((contender) => cycling(contender, keys)),
      {
        ...options,
        id: 'reads.hit',
        title: `A hit, 100 bytes, ${number(keys.length)} keys (every value checked)`,
      },
    );
    const cacheableName = ratioOf(hit, CACHEABLE, CACHEABLE_UNCLONED) < 1 ? CACHEABLE : CACHEABLE_UNCLONED;
    bars.push(
      atLeast('reads.redis', 'awaited get of an L1 hit against a Redis GET', ratioOf(hit, REDIS, GET), 360),
      atLeast('reads.bentocache', 'against a hit in bentocache’s memory', ratioOf(hit, BENTO, GET), 10),
      atLeast(
        'reads.cacheable',
        'against a hit in cacheable’s memory, cloned or not',
        ratioOf(hit, cacheableName, GET),
        10,
      ),
    );
    return hit;
  } finally {
    await disconnect(bento, bentoOverRedis);
  }
}

interface Reading extends Pick<Contender, 'name' | 'does' | 'operations'> {
  ours: boolean;
  isAwaited: boolean;
  get: (key: string) => Value | Promise<Value>;
}

function awaiting(
  name: string,
  does: string,
  operations: number,
  get: (key: string) => Promise<Value>,
  ours = false,
): Reading {
  return { name, does, ours, operations, isAwaited: true, get };
}

function reading(name: string, does: string, get: (key: string) => Value, ours = false): Reading {
  return { name, does, ours, operations: LOOP, isAwaited: false, get };
}

function cycling(
  { name, does, ours, operations, isAwaited, get }: Reading,
  keys: readonly string[],
): Contender {
  let at = 0;
  const next = () => {
    at = (at + 7919) % keys.length;
    return keys[at] as string;
  };
  const run = isAwaited
    ? async () => {
        for (let n = 0; n < operations; n++) check((await get(next())) as Value);
      }
    : () => {
        for (let n = 0; n < operations; n++) check(get(next()) as Value);
      };
  return { name, does, ours, operations, before: loopTurn, run };
}

function isInMemory({ operations }: Contender): boolean {
  return operations === LOOP;
}

function check(value: Value): void {
  if (value?.length !== CONTENT_LENGTH) throw new Error('a miss was measured');
}

/** The bytes, of a few. */
async function verify(name: string, keys: number, get: Reading['get']): Promise<void> {
  for (const n of [0, 1, keys >> 1, keys - 1]) {
    const value = await get(feedId(n));
    const text = typeof value === 'string' ? value : Buffer.from(value ?? []).toString();
    if (text !== feedContent(n)) throw new Error(`${name} gave ${JSON.stringify(text)} for ${feedId(n)}`);
  }
}

async function disconnect(...caches: Pick<BentoCache<never>, 'disconnectAll'>[]): Promise<void> {
  for (const cache of caches) await cache.disconnectAll();
}
