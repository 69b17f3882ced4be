import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { BloomFilter } from 'bloom-filters';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BloomBits } from '../dist/bloom/bloom-bits.js';
import { bloomSize } from '../dist/bloom/bloom-size.js';
import { KeyHash } from '../dist/bloom/key-hash.js';

const anyKey = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string());

test('every key that was added is found, whatever its characters', () => {
  fc.assert(
    fc.property(fc.array(anyKey, { maxLength: 200 }), fc.integer(), (keys, seed) => {
      const bits = BloomBits.create({ blocks: 7, k: 6 }, seed | 0);
      for (const key of keys) bits.add(key);
      for (const key of keys) expect(bits.mayContain(key)).toBe(true);
      expect(BloomBits.attach(bits.handle).inserted).toBe(bits.inserted);
    }),
  );
});

test('blocks that are carried over to another filter bring their keys', () => {
  fc.assert(
    fc.property(fc.array(anyKey, { maxLength: 50 }), (keys) => {
      const from = BloomBits.create({ blocks: 5, k: 4 });
      const to = BloomBits.create({ blocks: 5, k: 4 });
      for (const key of keys) from.add(key);
      for (const key of keys) to.orBlock(from.blockOf(key), from.block(from.blockOf(key)));
      for (const key of keys) expect(to.mayContain(key)).toBe(true);
    }),
  );
});

test.each([
  [1_000_000, 0.01],
  [100_000, 0.001],
  [100_000, 0.1],
  [1_000, 0.01],
])('at %i keys the measured error rate is at most 1.2 × %f', (capacity, errorRate) => {
  const bits = BloomBits.create(bloomSize(capacity, errorRate));
  for (let n = 0; n < capacity; n++) bits.add(`feed_${7_382_910_000_000 + n}`);
  const tries = 500_000;
  let wrong = 0;
  for (let n = 0; n < tries; n++) if (bits.mayContain(`feed_${9_382_910_000_000 + n}`)) wrong += 1;
  expect(wrong / tries).toBeLessThanOrEqual(1.2 * errorRate);
  expect(bits.measure().errorRate).toBeLessThanOrEqual(1.2 * errorRate);
  expect(bits.measure().errorRate).toBeGreaterThan(0.8 * errorRate);
});

test('it agrees with the filter of bloom-filters on what was added, and errs no more often', () => {
  const capacity = 2000;
  const oracle = BloomFilter.create(capacity, 0.02);
  const bits = BloomBits.create(bloomSize(capacity, 0.02));
  for (let n = 0; n < capacity; n++) {
    oracle.add(`user:${n}:né`);
    bits.add(`user:${n}:né`);
  }
  let errors = 0;
  let oracleErrors = 0;
  for (let n = 0; n < 4 * capacity; n++) {
    const mayContain = bits.mayContain(`user:${n}:né`);
    if (n < capacity) expect([mayContain, oracle.has(`user:${n}:né`)]).toEqual([true, true]);
    else {
      errors += Number(mayContain);
      oracleErrors += Number(oracle.has(`user:${n}:né`));
    }
  }
  expect(errors).toBeLessThan(1.5 * oracleErrors + 30);
});

test('the hash has no collision among a million similar keys, and each bit of it is even', () => {
  const hash = new KeyHash();
  const count = 1_000_000;
  const seen = new BigUint64Array(count);
  const ones = new Array<number>(64).fill(0);
  for (let n = 0; n < count; n++) {
    hash.update(`feed_${n}`, 0);
    seen[n] = (BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0);
    if (n % 50 === 0)
      for (let bit = 0; bit < 64; bit++)
        ones[bit] = (ones[bit] ?? 0) + (((bit < 32 ? hash.low : hash.high) >>> (bit & 31)) & 1);
  }
  seen.sort();
  for (let n = 1; n < count; n++) if (seen[n] === seen[n - 1]) expect.fail('a collision');
  // 20,000 samples: five standard deviations are 354.
  for (const one of ones) expect(Math.abs(one - 10_000)).toBeLessThan(354);
});

test('bits that several threads set at once are all there', async () => {
  const bits = BloomBits.create({ blocks: 40, k: 8 });
  const url = new URL('./bloom-thread.mjs', import.meta.url);
  await Promise.all(
    [0, 1, 2, 3].map((thread) =>
      once(new Worker(url, { workerData: { handle: bits.handle, thread } }), 'exit'),
    ),
  );
  for (let thread = 0; thread < 4; thread++)
    for (let n = 0; n < 2000; n++) expect(bits.mayContain(`${thread}:${n}`)).toBe(true);
});

test('what is not a handle cannot be attached to', () => {
  const handles: unknown[] = [undefined, {}, { memory: new ArrayBuffer(256) }];
  for (const handle of [...handles, { memory: new SharedArrayBuffer(256) }])
    expect(() => BloomBits.attach(handle as never)).toThrow(TypeError);
});
