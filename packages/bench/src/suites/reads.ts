import { atLeast } from '../bar.js';
import { contest, ratioOf } from '../contest.js';
import type { Suite } from '../suite.js';

const KEYS = 10_000;
const LOOP = 1_000;
const ROUND_TRIPS = 20;
const VALUE = Buffer.alloc(100, 'x');

const GET = 'await get';
const ROUND_TRIP = 'await ioredis GET';

/** A hit in L1, awaited and not, against a round trip to Redis for the same value. */
export const reads: Suite = {
  name: 'reads',
  async run({ zm, redis }, options) {
    const keys = Array.from({ length: KEYS }, (_, n) => `bench_read_${n}`);
    for (const key of keys) {
      await zm.cacheOnly(key, VALUE);
      await redis.set(key, VALUE);
    }
    let at = 0;
    const key = () => {
      at = (at + 7919) % KEYS;
      return keys[at] as string;
    };
    const check = (value: Buffer | null | undefined) => {
      if (value?.length !== VALUE.length) throw new Error('a miss was measured');
    };
    const hit = await contest(
      [
        {
          name: GET,
          does: 'a value of its own, from L1',
          ours: true,
          operations: LOOP,
          run: async () => {
            for (let n = 0; n < LOOP; n++) check(await zm.get(key()));
          },
        },
        {
          name: 'peek',
          does: 'the same, without a promise',
          ours: true,
          operations: LOOP,
          run: () => {
            for (let n = 0; n < LOOP; n++) check(zm.peek(key()));
          },
        },
        {
          name: ROUND_TRIP,
          does: 'a round trip on loopback',
          operations: ROUND_TRIPS,
          run: async () => {
            for (let n = 0; n < ROUND_TRIPS; n++) check(await redis.getBuffer(key()));
          },
        },
      ],
      { ...options, id: 'reads.hit', title: 'A hit, 100 bytes, 10,000 keys (every value checked)' },
    );
    return {
      name: 'reads',
      title: 'Reads',
      contests: [hit],
      bars: [
        atLeast(
          'reads.redis',
          'awaited get of an L1 hit against a Redis GET',
          ratioOf(hit, ROUND_TRIP, GET),
          360,
        ),
      ],
    };
  },
};
