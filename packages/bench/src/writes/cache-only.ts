import type { Redis } from 'ioredis';
import { contest } from '../contest.js';
import { number } from '../format.js';
import { inFlight } from '../in-flight.js';
import { connectRedis } from '../peers/connect-redis.js';
import { feedContent } from '../peers/feed-table.js';
import type { Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';

const KEYS = 10_000;
const IN_FLIGHT = 1_000;
const TTL_MS = 3_600_000;

/** `cacheOnly` beside a SET with a time to live: one after the other, then many at once. */
export async function compareCacheOnly(
  { zm, redis, redisAddr }: Stage,
  options: SuiteOptions,
): Promise<Contest[]> {
  const values = Array.from({ length: KEYS }, (_, n) => Buffer.from(feedContent(n)));
  const key = (n: number) => `bench_only_${n % KEYS}`;
  const value = (n: number) => values[n % KEYS] as Buffer;
  const cacheOnly = (n: number) => zm.cacheOnly(key(n), value(n), { ttl: TTL_MS });
  const set = (client: Redis) => async (n: number) => {
    if ((await client.set(key(n), value(n), 'PX', TTL_MS)) !== 'OK') throw new Error('a SET was refused');
  };
  const pipelining = connectRedis(redisAddr, { enableAutoPipelining: true });
  const ours = { name: 'cacheOnly', does: 'in L1 and Redis, and told to the other nodes', ours: true };
  const theirs = { name: 'SET (ioredis)', does: 'in Redis' };
  const pipelined = { name: 'SET (ioredis, auto-pipelining)', does: 'in Redis' };
  const single = (call: (n: number) => Promise<void>) => {
    let at = 0;
    return { operations: 1, run: () => call(at++) };
  };
  const many = (call: (n: number) => Promise<void>) => {
    const operations = options.quick ? 2_000 : 10_000;
    return { operations, run: () => inFlight(operations, IN_FLIGHT, call) };
  };
  try {
    const one = await contest(
      [
        { ...ours, ...single(cacheOnly) },
        { ...theirs, ...single(set(redis)) },
      ],
      { ...options, id: 'writes.only', title: 'Values of 100 bytes into the cache, one after the other' },
    );
    const flight = await contest(
      [
        { ...ours, ...many(cacheOnly) },
        { ...theirs, ...many(set(redis)) },
        { ...pipelined, ...many(set(pipelining)) },
      ],
      {
        ...options,
        id: 'writes.only.many',
        title: `The same, ${number(IN_FLIGHT)} in flight`,
        show: 'rate',
      },
    );
    for (const n of [0, 1, IN_FLIGHT]) {
      const [ours, theirs] = [zm.peek(key(n)), await redis.getBuffer(key(n))];
      if (!ours?.equals(value(n)) || !theirs?.equals(value(n)))
        throw new Error(`${key(n)} has another value`);
    }
    return [one, flight];
  } finally {
    pipelining.disconnect();
  }
}
