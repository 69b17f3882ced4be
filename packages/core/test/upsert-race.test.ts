import { expect, test } from 'vitest';
import { counter } from '../dist/index.js';
import { open } from './open-engine.js';

test('first upserts of one row at one time all count', async () => {
  const { zm, psql } = await open();
  const upsert = counter('feed_meta', 'like_count').inc(1).where('id = ?', 'new').orInsert({ id: 'new' });
  await Promise.all(Array.from({ length: 20 }, () => zm.exec(upsert)));
  await zm.batch().cacheAndStore('new', Buffer.from('x'), upsert).execute();
  expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 21 }]);
});
