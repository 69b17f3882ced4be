import { expect, test } from 'vitest';
import { engineContract } from './engine-contract.js';
import { open } from './open-engine.js';

engineContract(open);

test('without Redis a delayed write that is committed leaves a newer value that is still pending', async () => {
  const { zm, psql } = await open({ batchInterval: '1h' });
  await zm.cacheAndStore('twice', Buffer.from('old'));
  await zm.cacheAndDelayStore('twice', Buffer.from('late'), undefined, { delay: 0 });
  await zm.cacheAndPeriodicStore('twice', Buffer.from('newest'));
  const queue = await zm.delayQueue();
  const left = async () => {
    const { delayed, waiting, active } = await queue.stats();
    return delayed + waiting + active;
  };
  await expect.poll(left, { timeout: 20_000 }).toBe(0);
  expect(await psql(`SELECT convert_from(data, 'UTF8') AS data FROM zmsg_data`)).toEqual([{ data: 'late' }]);
  expect(String(await zm.get('twice'))).toBe('newest');
  await zm.flush();
  expect(String(await zm.get('twice'))).toBe('newest');
});
