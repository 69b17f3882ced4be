import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyMutex } from '../dist/write/key-mutex.js';

test('bodies of one key run one after the other, in the order of the calls, whatever else runs', async () => {
  const job = fc.record({
    keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
    turns: fc.nat({ max: 4 }),
    fails: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(job, { maxLength: 20 }), async (jobs) => {
      const mutex = new KeyMutex();
      const inside = new Set<string>();
      const order = new Map<string, number[]>();
      const runs = jobs.map(({ keys, turns, fails }, at) => {
        const body = async () => {
          for (const key of keys) {
            expect(inside.has(key)).toBe(false);
            inside.add(key);
            order.set(key, [...(order.get(key) ?? []), at]);
          }
          for (let n = 0; n < turns; n++) await new Promise((resolve) => setImmediate(resolve));
          for (const key of keys) inside.delete(key);
          if (fails) throw new Error('body');
        };
        const [key] = keys;
        return keys.length === 1 && key !== undefined ? mutex.run(key, body) : mutex.runAll(keys, body);
      });
      const results = await Promise.allSettled(runs);
      expect(results.map(({ status }) => status === 'rejected')).toEqual(jobs.map(({ fails }) => fails));
      if (jobs.every(({ keys }) => keys.length === 1)) {
        for (const ran of order.values()) expect(ran).toEqual([...ran].sort((a, b) => a - b));
      }
    }),
    { numRuns: 200 },
  );
});
