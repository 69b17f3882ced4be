import { contest } from '../contest.js';
import { nanoseconds, times } from '../format.js';
import type { Suite } from '../suite.js';

const KEYS = 10_000;
const LOOP = 1_000;
const VALUE = Buffer.alloc(100, 'x');

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
    const peek = {
      name: 'peek (L1, synchronous)',
      operations: LOOP,
      run: () => {
        for (let n = 0; n < LOOP; n++) check(zm.peek(key()));
      },
    };
    const get = {
      name: 'await get (L1 hit)',
      operations: LOOP,
      run: async () => {
        for (let n = 0; n < LOOP; n++) check(await zm.get(key()));
      },
    };
    const roundTrip = {
      name: 'await redis.getBuffer (one round trip)',
      operations: 20,
      run: async () => {
        for (let n = 0; n < 20; n++) check(await redis.getBuffer(key()));
      },
    };
    const standings = await contest([peek, get, roundTrip], options);
    const ns = (name: string) => standings.find((each) => each.name === name)?.nsPerOp ?? Number.NaN;
    const ratio = ns(roundTrip.name) / ns(get.name);
    return {
      title: 'Reads of 100 bytes, 10,000 keys (every value checked)',
      figures: standings.map(({ name, nsPerOp, spread }) => ({
        name,
        value: nanoseconds(nsPerOp),
        note: `spread ${spread.toFixed(2)}`,
      })),
      bars: [
        {
          name: 'awaited get of an L1 hit against a Redis GET',
          target: '≥ 100 ×',
          measured: times(ratio),
          met: ratio >= 100,
        },
      ],
    };
  },
};
