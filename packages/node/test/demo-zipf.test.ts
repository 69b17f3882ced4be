import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../dist/demo/random.js';
import { Zipf } from '../dist/demo/zipf.js';

describe('Zipf', () => {
  test.each([0, 0.5, 0.99, 1, 1.2, 3])('with skew %d each rank comes as often as the law says', (skew) => {
    const n = 40;
    const samples = 200_000;
    const zipf = new Zipf(n, skew, new Random(7));
    const seen = new Array<number>(n).fill(0);
    for (let i = 0; i < samples; i += 1) {
      const rank = zipf.next();
      seen[rank] = (seen[rank] ?? 0) + 1;
    }
    const weights = seen.map((_, rank) => (rank + 1) ** -skew);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [rank, weight] of weights.entries()) {
      const share = weight / total;
      const deviation = Math.sqrt(samples * share * (1 - share));
      expect(Math.abs((seen[rank] as number) - samples * share)).toBeLessThan(5 * deviation + 1);
    }
  });

  test('every rank is within bounds, for any number of items, skew and seed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        fc.integer(),
        (n, skew, seed) => {
          const zipf = new Zipf(n, skew, new Random(seed));
          for (let i = 0; i < 200; i += 1) {
            const rank = zipf.next();
            if (!Number.isInteger(rank) || rank < 0 || rank >= n) return false;
          }
          return true;
        },
      ),
    );
  });

  test('one seed gives one sequence, another seed another', () => {
    const draw = (seed: number) => {
      const zipf = new Zipf(1_000, 0.99, new Random(seed));
      return Array.from({ length: 100 }, () => zipf.next());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  test.each([
    [0, 1],
    [1.5, 1],
    [Number.NaN, 1],
    [10, -1],
    [10, Number.NaN],
    [10, Infinity],
  ])('n = %d with skew %d is refused', (n, skew) => {
    expect(() => new Zipf(n, skew, new Random(1))).toThrow(RangeError);
  });
});

describe('Random', () => {
  test('numbers are spread evenly over the range', () => {
    const random = new Random(3);
    const seen = new Array<number>(16).fill(0);
    for (let i = 0; i < 160_000; i += 1) {
      const at = random.below(16);
      seen[at] = (seen[at] ?? 0) + 1;
    }
    for (const count of seen) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
