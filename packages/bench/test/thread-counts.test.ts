import { expect, test } from 'vitest';
import { threadCounts } from '../dist/scale/thread-counts.js';

test.each([
  [1, [1, 2, 4]],
  [2, [1, 2, 4]],
  [4, [1, 2, 4, 8]],
  [6, [1, 2, 4, 6, 12]],
  [64, [1, 2, 4, 8, 16, 32]],
])('on %i cores a curve goes to twice as many threads, within bounds', (cores, counts) => {
  expect(threadCounts(cores)).toEqual(counts);
});
