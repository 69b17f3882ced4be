import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { Cacheable } from 'cacheable';
import { LRUCache } from 'lru-cache';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { type AccessOrder, accessOrder } from '../cache/access-order.js';
import { readRates } from '../cache/read-rates.js';
import { readKey as keyOf } from '../cache/reader-rounds.js';
import type { ReaderTask } from '../cache/reader-task.js';
import { type Contender, contest, type Rounds } from '../contest.js';
import { nanoseconds, number, times } from '../format.js';
import type { Stage } from '../stage.js';
import type { Figure, Suite, SuiteResult } from '../suite.js';

const LOOP = 2_000;
const TTL_MS = 3_600_000;
const VALUE = Buffer.alloc(100, 'v');
const KEYS = 100_000;
const MANY_KEYS = 1_000_000;
const WARM_UP_READS = 6_000_000;
type Bars = SuiteResult['bars'];

/**
 * The shared cache beside caches on the heap of one thread. Every value that is read is checked. lru-cache and
 * `Map` hand out the object that was stored; SharedLRU copies it out of the shared memory unless the thread has it near.
 */
export const cache: Suite = {
  name: 'cache',
  async run(stage, options) {
    const figures: Figure[] = [];
    const bars: Bars = [];
    const rounds = options.quick ? options : { rounds: 9, roundMs: 200 };
    await compareGets(stage, rounds, options.quick, figures, bars);
    await compareUniform(rounds, figures, bars);
    await compareSets(rounds, figures, bars);
    await compareThreads(options.quick, figures, bars);
    compareMemory(options.quick ? 1 : 5, figures, bars);
    measureOverhead(figures, bars);
    return {
      title: 'Cache in shared memory, 20-character keys, 100-byte values, TTL of an hour',
      figures,
      bars,
    };
  },
};

async function compareGets(
  stage: Stage,
  rounds: Rounds,
  quick: boolean,
  figures: Figure[],
  bars: Bars,
): Promise<void> {
  const keys = Array.from({ length: KEYS }, (_, i) => keyOf(i));
  const order = accessOrder(KEYS, 0.99);
  const shared = SharedLRU.create({ maxBytes: 64 << 20 });
  const lru = new LRUCache<string, Buffer>({ max: KEYS, ttl: TTL_MS });
  const map = new Map<string, Buffer>();
  const bento = new BentoCache({
    default: 'memory',
    stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: KEYS, serialize: false })) },
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
  for (let i = quick ? order.length : WARM_UP_READS; i > 0; i--) {
    const key = keys[order[i & (order.length - 1)] as number] as string;
    shared.get(key);
    lru.get(key);
  }
  const standings = await contest(
    [
      reading('Map get (no bound, no TTL)', order, (i) => map.get(keys[i] as string)),
      reading('lru-cache get', order, (i) => lru.get(keys[i] as string)),
      reading('SharedLRU get', order, (i) => shared.get(keys[i] as string)),
      reading('lru-cache get, fresh key', order, (i) => lru.get(keyOf(i))),
      reading('SharedLRU get, fresh key', order, (i) => shared.get(keyOf(i))),
      awaiting('await bentocache get (memory)', LOOP, order, (i) =>
        bento.get<Buffer>({ key: keys[i] as string }),
      ),
      awaiting('await cacheable get (memory)', LOOP, order, (i) => cacheable.get<Buffer>(keys[i] as string)),
      awaiting('await ioredis GET', 20, order, () => stage.redis.getBuffer('bench:cache')),
    ],
    rounds,
  );
  for (const each of standings)
    figures.push(figure(`${each.name}, Zipf 0.99, 100 k`, each.nsPerOp, each.spread));
  const ns = standings.map((each) => each.nsPerOp) as [number, number, number, number, number];
  bars.push(atMost('get, Zipf 0.99 of 100 k keys, against lru-cache', ns[2] / ns[1], 1));
  bars.push(atMost('get, fresh keys, against lru-cache', ns[4] / ns[3], 1.5));
  await bento.disconnectAll();
}

async function compareUniform(rounds: Rounds, figures: Figure[], bars: Bars): Promise<void> {
  const keys = Array.from({ length: MANY_KEYS }, (_, i) => keyOf(i));
  const order = accessOrder(MANY_KEYS, 0, 1 << 22);
  const shared = SharedLRU.create({ maxBytes: 320 << 20 });
  const lru = new LRUCache<string, Buffer>({ max: MANY_KEYS, ttl: TTL_MS });
  for (const key of keys) {
    shared.set(key, VALUE, { ttl: TTL_MS });
    lru.set(key, Buffer.from(VALUE));
  }
  const [theirs, ours] = await contest(
    [
      reading('lru-cache get', order, (i) => lru.get(keys[i] as string)),
      reading('SharedLRU get', order, (i) => shared.get(keys[i] as string)),
    ],
    rounds,
  );
  if (theirs === undefined || ours === undefined) return;
  for (const each of [theirs, ours])
    figures.push(figure(`${each.name}, uniform, 1 M`, each.nsPerOp, each.spread));
  bars.push(atMost('get, uniform over 1 M keys, against lru-cache', ours.nsPerOp / theirs.nsPerOp, 2));
}

/** Room for about half of the keys. */
async function compareSets(rounds: Rounds, figures: Figure[], bars: Bars): Promise<void> {
  const keys = Array.from({ length: KEYS }, (_, i) => keyOf(i));
  const order = accessOrder(KEYS, 0);
  const shared = SharedLRU.create({ maxBytes: 8 << 20 });
  for (const key of keys) shared.set(key, VALUE, { ttl: TTL_MS });
  const room = shared.stats().entries;
  const lru = new LRUCache<string, Buffer>({ max: room, ttl: TTL_MS });
  for (const key of keys) lru.set(key, VALUE);
  const [theirs, ours] = await contest(
    [
      writing('lru-cache set', order, (i) => lru.set(keys[i] as string, VALUE)),
      writing('SharedLRU set', order, (i) => shared.set(keys[i] as string, VALUE, { ttl: TTL_MS })),
    ],
    rounds,
  );
  if (theirs === undefined || ours === undefined) return;
  for (const each of [theirs, ours]) {
    figures.push(
      figure(`${each.name} with eviction, room for ${number(room)} of 100 k`, each.nsPerOp, each.spread),
    );
  }
  bars.push(atMost('set with eviction, against lru-cache', ours.nsPerOp / theirs.nsPerOp, 3));
}

async function compareThreads(quick: boolean, figures: Figure[], bars: Bars): Promise<void> {
  const shared = SharedLRU.create({ maxBytes: 64 << 20 });
  for (let i = 0; i < KEYS; i++) shared.set(keyOf(i), VALUE, { ttl: TTL_MS });
  const start = (task: ReaderTask) =>
    new Worker(new URL('../cache/reader-thread.js', import.meta.url), {
      workerData: { handle: shared.handle, task },
    });
  const { one, two } = await readRates(start, KEYS, quick ? 3 : 9);
  figures.push({ name: 'one thread reading, Zipf 0.99, 100 k', value: `${number(one)} gets/s` });
  figures.push({ name: 'two threads reading the same', value: `${number(two)} gets/s` });
  bars.push(atLeast('two threads against one', two / one, 1.8));
}

/** In processes of their own, in turns: a pause of a few milliseconds is soon twice as long for another reason. */
function compareMemory(rounds: number, figures: Figure[], bars: Bars): void {
  const fills = Array.from({ length: rounds }, () => [fill('none'), fill('SharedLRU')] as const);
  const lru = fill('lru-cache');
  const empty = middle(fills.map(([each]) => each));
  const shared = middle(fills.map(([, each]) => each));
  const mib = (bytes: number) => bytes / 2 ** 20;
  for (const [name, filled] of [
    ['lru-cache', lru],
    ['SharedLRU', shared],
  ] as const) {
    figures.push({
      name: `1 M entries of 200 bytes in ${name}`,
      value: `${number(mib(filled.heapBytes))} MiB of heap`,
      note: `a forced major GC takes ${number(filled.gcMs / empty.gcMs)} × that of an empty process`,
    });
  }
  bars.push({
    name: 'heap of 1 M entries',
    target: '≤ 20 MB',
    measured: `${number(shared.heapBytes / 1e6)} MB`,
    met: shared.heapBytes <= 20e6 && shared.entries === lru.entries,
  });
  bars.push(atMost('major GC with 1 M entries, against an empty process', shared.gcMs / empty.gcMs, 1.5));
}

interface Filled {
  heapBytes: number;
  gcMs: number;
  entries: number;
}

/** That whose pauses are the median. */
function middle(fills: Filled[]): Filled {
  return fills.sort((a, b) => a.gcMs - b.gcMs)[fills.length >> 1] as Filled;
}

function fill(which: string): Filled {
  const program = fileURLToPath(new URL('../cache/memory-child.js', import.meta.url));
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', program, which], { encoding: 'utf8' }));
}

/** What is neither key nor value, of all the memory that the cache may use, per entry that it holds when it is full. */
function measureOverhead(figures: Figure[], bars: Bars): void {
  for (const valueBytes of [100, 200, 1_000]) {
    const maxBytes = 64 << 20;
    const shared = SharedLRU.create({ maxBytes });
    const value = Buffer.alloc(valueBytes, 'v');
    const count = Math.ceil((2 * maxBytes) / valueBytes);
    for (let i = 0; i < count; i++) shared.set(keyOf(i), value, { ttl: TTL_MS });
    const overhead = maxBytes / shared.stats().entries - valueBytes - keyOf(0).length;
    figures.push({
      name: `overhead per entry, ${valueBytes}-byte values`,
      value: `${number(overhead)} bytes`,
    });
    if (valueBytes > 200) continue;
    bars.push({
      name: `overhead per entry, ${valueBytes}-byte values`,
      target: '≤ 48 bytes',
      measured: `${number(overhead)} bytes`,
      met: overhead <= 48,
    });
  }
}

function looping(name: string, order: AccessOrder, step: (i: number) => void): Contender {
  let at = 0;
  const mask = order.length - 1;
  return {
    name,
    operations: LOOP,
    run: () => {
      for (let n = 0; n < LOOP; n++) step(order[at++ & mask] as number);
    },
  };
}

function reading(name: string, order: AccessOrder, get: (i: number) => Buffer | undefined): Contender {
  return looping(name, order, (i) => {
    if (get(i)?.length !== VALUE.length) throw new Error('a miss was measured');
  });
}

function writing(name: string, order: AccessOrder, set: (i: number) => unknown): Contender {
  return looping(name, order, (i) => {
    if (!set(i)) throw new Error('a set was refused');
  });
}

function awaiting(
  name: string,
  operations: number,
  order: AccessOrder,
  get: (i: number) => Promise<Buffer | null | undefined>,
): Contender {
  let at = 0;
  const mask = order.length - 1;
  return {
    name,
    operations,
    run: async () => {
      for (let n = 0; n < operations; n++) {
        const value = await get(order[at++ & mask] as number);
        if (value?.length !== VALUE.length) throw new Error('a miss was measured');
      }
    },
  };
}

function figure(name: string, ns: number, spread: number): Figure {
  return { name, value: nanoseconds(ns), note: `spread ${spread.toFixed(2)}` };
}

function atMost(name: string, ratio: number, bound: number): Bars[number] {
  return { name, target: `≤ ${bound} ×`, measured: times(ratio), met: ratio <= bound };
}

function atLeast(name: string, ratio: number, bound: number): Bars[number] {
  return { name, target: `≥ ${bound} ×`, measured: times(ratio), met: ratio >= bound };
}
