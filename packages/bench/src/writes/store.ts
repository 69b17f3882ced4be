import { sql } from '@zmsg/core';
import { type Contender, contest } from '../contest.js';
import { CacheAside } from '../peers/cache-aside.js';
import { DrizzleFeeds } from '../peers/drizzle-feeds.js';
import { FEED_PREFIX, FEEDS, feedContent, feedId } from '../peers/feed-table.js';
import type { Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';

const IN_POSTGRES = 'on disk in PostgreSQL';

interface Store {
  name: string;
  does: string;
  ours?: boolean;
  /** Resolves with the number of rows that were written. */
  write: (id: string, content: string) => Promise<number>;
}

/** `cacheAndStore`: updates of rows that are there, and new rows, one after the other. */
export async function compareStores(
  { zm, redis, pool }: Stage,
  options: SuiteOptions,
  rows: number,
): Promise<Contest[]> {
  const aside = new CacheAside(redis, pool);
  const drizzle = new DrizzleFeeds(redis, pool);
  const store = async (id: string, content: string, text: string) => {
    const { rowCount } = await zm.cacheAndStore(id, Buffer.from(content), sql(text, content, id));
    return rowCount;
  };
  const update = await contest(
    [
      {
        name: 'cacheAndStore',
        does: `${IN_POSTGRES}, the new value in L1 and Redis, old ones gone from all nodes`,
        ours: true,
        write: (id: string, content: string) =>
          store(id, content, `UPDATE ${FEEDS} SET content = ? WHERE id = ?`),
      },
      {
        name: 'UPDATE, then SET',
        does: `${IN_POSTGRES}, the new value in Redis`,
        write: (id: string, content: string) => aside.update(id, Buffer.from(content)),
      },
      {
        name: 'Drizzle, then invalidate',
        does: `${IN_POSTGRES}, the old value gone from Redis`,
        write: (id: string, content: string) => drizzle.update(id, content),
      },
    ].map((each) => writing(each, (n) => [feedId(n % rows), feedContent(n)])),
    { ...options, id: 'writes.store', title: 'Updates of rows of 100 characters, one after the other' },
  );
  const counts: number[] = [];
  const insert = await contest(
    [
      {
        name: 'cacheAndStore',
        does: `${IN_POSTGRES}, the value in L1 and Redis, and announced to the Bloom filters of all nodes`,
        ours: true,
        write: (id: string, content: string) =>
          store(id, content, `INSERT INTO ${FEEDS} (content, id) VALUES (?, ?)`),
      },
      {
        name: 'INSERT, then SET',
        does: `${IN_POSTGRES}, the value in Redis`,
        write: (id: string, content: string) => aside.insert(id, Buffer.from(content)),
      },
      {
        name: 'Drizzle, then invalidate',
        does: IN_POSTGRES,
        write: (id: string, content: string) => drizzle.insert(id, content),
      },
    ].map((each, at) =>
      writing(each, (n) => {
        counts[at] = n + 1;
        return [`${FEED_PREFIX}new_${at}_${n}`, feedContent(n)];
      }),
    ),
    { ...options, id: 'writes.insert', title: 'New rows of 100 characters, one after the other' },
  );
  const { rows: found } = await pool.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM ${FEEDS} WHERE id LIKE $1`,
    [`${FEED_PREFIX}new_%`],
  );
  const inserted = counts.reduce((sum, count) => sum + count, 0);
  if (found[0]?.rows !== inserted) throw new Error(`${found[0]?.rows} of ${inserted} rows are there`);
  return [update, insert];
}

function writing(
  { name, does, ours = false, write }: Store,
  row: (n: number) => [string, string],
): Contender {
  let at = 0;
  return {
    name,
    does,
    ours,
    operations: 1,
    run: async () => {
      if ((await write(...row(at++))) !== 1) throw new Error(`${name} has not written one row`);
    },
  };
}
