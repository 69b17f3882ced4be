import { expect, test } from 'vitest';
import { LoadBatch } from '../dist/load/load-batch.js';

test('a key that is asked for twice before the query is sent is answered twice, with Buffers of their own', async () => {
  const queries: (readonly string[])[] = [];
  const batch = new LoadBatch(async (keys) => {
    queries.push(keys);
    return new Map(keys.map((key) => [key, Buffer.from(key)]));
  });
  const [first, second, other] = await Promise.all([batch.get('k'), batch.get('k'), batch.get('l')]);
  expect(queries).toEqual([['k', 'l']]);
  expect([first, second, other].map(String)).toEqual(['k', 'k', 'l']);
  expect(second).not.toBe(first);
});

test('a query that fails fails for all who wait for it, and later ones ask again', async () => {
  let isDown = true;
  const batch = new LoadBatch(async () => {
    if (isDown) throw new Error('down');
    return new Map();
  });
  const both = await Promise.allSettled([batch.get('k'), batch.get('k')]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  isDown = false;
  expect(await batch.get('k')).toBeUndefined();
});
