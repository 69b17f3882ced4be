import { Worker } from 'node:worker_threads';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { Cacheable } from 'cacheable';
import { LRUCache } from 'lru-cache';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { atLeast, atMost } from '../bar.js';
import { type AccessOrder, accessOrder } from '../cache/access-order.js';
import { compareHeaps } from '../cache/heap.js';
import { measureOverheads } from '../cache/overhead.js';
import { type Reader, rateFigures, readRates, scaleOf } from '../cache/read-rates.js';
import { readKey as keyOf } from '../cache/reader-rounds.js';
import { type Contender, contest, type Rounds, ratioOf } from '../contest.js';
import { number } from '../format.js';
import type { Bar, Contest, Figure } from '../result.js';
import type { Stage } from '../stage.js';
import type { Suite } from '../suite.js';

const LOOP = 2_000;
const TTL_MS = 3_600_000;
const VALUE = Buffer.alloc(100, 'v');
const SET_KEYS = 100_000;

interface Scale {
  keys: number;
  manyKeys: number;
  /** Of the order in which the many are read. */
  manyReads: number;
  warmUpReads: number;
  /** Of each process whose heap is looked at. */
  heapEntries: number;
  heapRounds: number;
  overheadBytes: number;
}

const FULL: Scale = {
  keys: 100_000,
  manyKeys: 1_000_000,
  manyReads: 1 << 22,
  warmUpReads: 6_000_000,
  heapEntries: 1_000_000,
  heapRounds: 5,
  overheadBytes: 64 << 20,
};
const QUICK: Scale = {
  keys: 20_000,
  manyKeys: 100_000,
  manyReads: 1 << 18,
  warmUpReads: 200_000,
  heapEntries: 100_000,
  heapRounds: 1,
  overheadBytes: 8 << 20,
};
const SHARED = 'SharedLRU';
const LRU = 'lru-cache';
/** What has happened when the call has answered. */
const COPIED = 'a value of its own';
const THE_STORED = 'the object that was stored';

/**
 * The shared cache beside caches on the heap of one thread. Every value that is read is checked. lru-cache and
 * `Map` hand out the object that was stored; SharedLRU copies it out of the shared memory unless the thread has it near.
 */
export const cache: Suite = {
  name: 'cache',
  async run(stage, options) {
    const figures: Figure[] = [];
    const bars: Bar[] = [];
    const rounds = options.quick ? options : { rounds: 9, roundMs: 200 };
    const scale = options.quick ? QUICK : FULL;
    const contests = [
      ...(await compareGets(stage, rounds, scale, bars)),
      await compareUniform(rounds, scale, bars),
      await compareSets(rounds, bars),
    ];
    await compareThreads(scale, options.quick, figures, bars);
    const heap = compareHeaps(scale.heapEntries, scale.heapRounds);
    const overhead = measureOverheads(scale.overheadBytes);
    figures.push(...heap.figures, ...overhead.figures);
    // The promises of the heap are for a million.
    bars.push(...(options.quick ? [] : heap.bars), ...overhead.bars);
    return {
      name: 'cache',
      title: 'Cache in shared memory, 20-character keys, 100-byte values, TTL of an hour',
      contests,
      figures,
      bars,
    };
  },
};

async function compareGets(stage: Stage, rounds: Rounds, scale: Scale, bars: Bar[]): Promise<Contest[]> {
  const keys = keysOf(scale.keys);
  const order = accessOrder(keys.length, 0.99);
  const count = number(keys.length);
  const shared = SharedLRU.create({ maxBytes: 64 << 20 });
  const lru = new LRUCache<string, Buffer>({ max: keys.length, ttl: TTL_MS });
  const map = new Map<string, Buffer>();
  const bento = new BentoCache({
    default: 'memory',
    stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: keys.length, serialize: false })) },
  });
  const cacheable = new Cacheable({ ttl: TTL_MS });
  for (const key of keys) {
    shared.set(key, VALUE, { ttl: TTL_MS });
    // Each key has a value of its own, as in any cache that is of use.
    lru.set(key, Buffer.from(VALUE));
    map.set(key, Buffer.from(VALUE));
    await bento.set({ key, value: Buffer.from(VALUE), ttl: TTL_MS });
    await cacheable.set(key, Buffer.from(VALUE));
  }
  await stage.redis.set('bench:cache', VALUE);
  // A time would be fewer reads on a slow machine: until the near table has what it will have, and as many for the other.
  for (let i = scale.warmUpReads; i > 0; i--) {
    const key = keys[order[i & (order.length - 1)] as number] as string;
    shared.get(key);
    lru.get(key);
  }
  const hits = await contest(
    [
      reading(SHARED, true, order, (i) => shared.get(keys[i] as string)),
      reading(LRU, false, order, (i) => lru.get(keys[i] as string)),
      reading('Map (no bound, no TTL)', false, order, (i) => map.get(keys[i] as string)),
      awaiting('await bentocache (memory)', THE_STORED, LOOP, order, (i) =>
        bento.get<Buffer>({ key: keys[i] as string }),
      ),
      awaiting('await cacheable (memory)', 'a deep copy of the object that was stored', LOOP, order, (i) =>
        cacheable.get<Buffer>(keys[i] as string),
      ),
      awaiting('await ioredis GET', 'a round trip on loopback', 20, order, () =>
        stage.redis.getBuffer('bench:cache'),
      ),
    ],
    { ...rounds, id: 'cache.zipf', title: `get, Zipf 0.99 over ${count} keys` },
  );
  const fresh = await contest(
    [
      reading(SHARED, true, order, (i) => shared.get(keyOf(i))),
      reading(LRU, false, order, (i) => lru.get(keyOf(i))),
    ],
    { ...rounds, id: 'cache.fresh', title: 'The same, each key built for its call, as from a request' },
  );
  bars.push(
    atMost('cache.zipf', `get, Zipf 0.99 of ${count} keys, against lru-cache`, ratioOf(hits, SHARED, LRU), 1),
    atMost('cache.fresh', 'get, fresh keys, against lru-cache', ratioOf(fresh, SHARED, LRU), 1.5),
  );
  await bento.disconnectAll();
  return [hits, fresh];
}

async function compareUniform(rounds: Rounds, scale: Scale, bars: Bar[]): Promise<Contest> {
  const keys = keysOf(scale.manyKeys);
  const order = accessOrder(keys.length, 0, scale.manyReads);
  const title = `get, uniform over ${number(keys.length)} keys`;
  const shared = SharedLRU.create({ maxBytes: 320 << 20 });
  const lru = new LRUCache<string, Buffer>({ max: keys.length, ttl: TTL_MS });
  for (const key of keys) {
    shared.set(key, VALUE, { ttl: TTL_MS });
    lru.set(key, Buffer.from(VALUE));
  }
  const uniform = await contest(
    [
      reading(SHARED, true, order, (i) => shared.get(keys[i] as string)),
      reading(LRU, false, order, (i) => lru.get(keys[i] as string)),
    ],
    { ...rounds, id: 'cache.uniform', title },
  );
  bars.push(atMost('cache.uniform', `${title}, against lru-cache`, ratioOf(uniform, SHARED, LRU), 2));
  return uniform;
}

/** Room for about half of the keys. */
async function compareSets(rounds: Rounds, bars: Bar[]): Promise<Contest> {
  const keys = keysOf(SET_KEYS);
  const order = accessOrder(keys.length, 0);
  const shared = SharedLRU.create({ maxBytes: 8 << 20 });
  for (const key of keys) shared.set(key, VALUE, { ttl: TTL_MS });
  const room = shared.stats().entries;
  const lru = new LRUCache<string, Buffer>({ max: room, ttl: TTL_MS });
  for (const key of keys) lru.set(key, VALUE);
  const sets = await contest(
    [
      writing(SHARED, true, order, (i) => shared.set(keys[i] as string, VALUE, { ttl: TTL_MS })),
      writing(LRU, false, order, (i) => lru.set(keys[i] as string, VALUE)),
    ],
    {
      ...rounds,
      id: 'cache.set',
      title: `set with eviction, room for ${number(room)} of ${number(keys.length)} keys`,
    },
  );
  bars.push(atMost('cache.set', 'set with eviction, against lru-cache', ratioOf(sets, SHARED, LRU), 3));
  return sets;
}

async function compareThreads(
  { keys }: Scale,
  quick: boolean,
  figures: Figure[],
  bars: Bar[],
): Promise<void> {
  const shared = SharedLRU.create({ maxBytes: 64 << 20 });
  for (let i = 0; i < keys; i++) shared.set(keyOf(i), VALUE, { ttl: TTL_MS });
  const reader: Reader = {
    id: 'shared',
    name: 'SharedLRU',
    start: (task) =>
      new Worker(new URL('../cache/reader-thread.js', import.meta.url), {
        workerData: { handle: shared.handle, task },
      }),
  };
  const rates = await readRates([reader], { keys, quick });
  figures.push(...rateFigures('cache.threads', `of ${number(keys)} keys`, [reader], rates));
  bars.push(atLeast('cache.threads', 'two threads against one', scaleOf(rates, reader.id), 1.8));
}

function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => keyOf(i));
}

function looping(
  name: string,
  does: string,
  ours: boolean,
  order: AccessOrder,
  step: (i: number) => void,
): Contender {
  let at = 0;
  const mask = order.length - 1;
  return {
    name,
    does,
    ours,
    operations: LOOP,
    run: () => {
      for (let n = 0; n < LOOP; n++) step(order[at++ & mask] as number);
    },
  };
}

function reading(
  name: string,
  ours: boolean,
  order: AccessOrder,
  get: (i: number) => Buffer | undefined,
): Contender {
  return looping(name, ours ? COPIED : THE_STORED, ours, order, (i) => {
    if (get(i)?.length !== VALUE.length) throw new Error('a miss was measured');
  });
}

function writing(name: string, ours: boolean, order: AccessOrder, set: (i: number) => unknown): Contender {
  return looping(name, ours ? 'copied into shared memory' : 'kept by reference', ours, order, (i) => {
    if (!set(i)) throw new Error('a set was refused');
  });
}

function awaiting(
  name: string,
  does: string,
  operations: number,
  order: AccessOrder,
  get: (i: number) => Promise<Buffer | null | undefined>,
): Contender {
  let at = 0;
  const mask = order.length - 1;
  return {
    name,
    does,
    operations,
    run: async () => {
      for (let n = 0; n < operations; n++) {
        const value = await get(order[at++ & mask] as number);
        if (value?.length !== VALUE.length) throw new Error('a miss was measured');
      }
    },
  };
}
