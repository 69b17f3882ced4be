import pg from 'pg';
import { expect, test } from 'vitest';
import { counter } from '../dist/index.js';
import { open } from './open-engine.js';

test('an upsert that loses the race for the first insert counts on the row that won', async () => {
  const { zm, psql, dsn } = await open();
  const upsert = counter('feed_meta', 'like_count').inc(1).where('id = ?', 'new').orInsert({ id: 'new' });
  const other = new pg.Client({ connectionString: dsn });
  await other.connect();
  await other.query('BEGIN');
  await other.query(`INSERT INTO feed_meta (id, like_count) VALUES ('new', 10)`);
  const waiting = Promise.all([
    zm.exec(upsert),
    zm.batch().cacheAndStore('k', Buffer.from('x'), upsert).execute(),
  ]);
  const blocked = () =>
    psql(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
  await expect.poll(blocked).toEqual([{ n: 2 }]);
  await other.query('COMMIT');
  await other.end();
  await waiting;
  expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 12 }]);
});
