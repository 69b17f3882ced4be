import type { ZMsg } from '@zmsg/core';
import { contest } from '../contest.js';
import { inFlight } from '../in-flight.js';
import { twoLevelBento } from '../peers/bento.js';
import { CacheAside } from '../peers/cache-aside.js';
import { DrizzleFeeds } from '../peers/drizzle-feeds.js';
import { FEEDS, feedContent, feedId } from '../peers/feed-table.js';
import type { Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';
import { FeedCursor } from './feed-cursor.js';
import { bloomRead, openNode } from './nodes.js';

const TTL_MS = 3_600_000;
const BATCH = 1_000;
const MANY = 100;

/** Rows of the table, by what they are for. */
export interface FeedRows {
  /** From here on, rows that are in Redis and in no memory. */
  l2: number;
  /** From here on, rows that are in no cache, read one by one. */
  miss: number;
  /** The same, 100 at once. */
  many: number;
  end: number;
}

/** What a read costs that L1 cannot answer. Each row is read once; each contender has them in places of its own. */
export async function compareLoads(stage: Stage, options: SuiteOptions, rows: FeedRows): Promise<Contest[]> {
  const { redis, pool, redisAddr } = stage;
  await fillL2(stage, rows);
  const zm = await openNode(stage, 'reader');
  const bento = twoLevelBento(redisAddr, rows.end);
  const aside = new CacheAside(redis, pool, 'aside-load:');
  const drizzle = new DrizzleFeeds(redis, pool);
  const load = async (key: string) => {
    const { rows } = await pool.query<{ content: string }>({
      name: 'bento load',
      text: `SELECT content FROM ${FEEDS} WHERE id = $1`,
      values: [key],
    });
    return rows[0]?.content;
  };
  const getOrSet = (key: string) => bento.getOrSet({ key, ttl: TTL_MS, factory: () => load(key) });
  const single = (first: number, end: number, what: string, loads: string) =>
    [
      {
        name: 'await get',
        does: `${what}, then in L1${loads && ': one load in the whole fleet'}`,
        get: (id: string) => zm.get(id),
        ours: true,
      },
      { name: 'await cache-aside by hand', does: `${what}${loads}`, get: (id: string) => aside.get(id) },
      {
        name: 'await Drizzle, cached in Redis',
        does: `${what}${loads}`,
        get: (id: string) => drizzle.get(id),
      },
      {
        name: 'await bentocache getOrSet',
        does: `${what}, then in its memory${loads && ': one load in its process'}`,
        get: getOrSet,
      },
    ].map(({ get, ...contender }) => {
      const cursor = new FeedCursor(first, end);
      return { ...contender, operations: 1, run: () => cursor.read(get) };
    });
  try {
    await bloomRead(zm);
    const l2 = await contest(single(rows.l2, rows.miss, 'from Redis', ''), {
      ...options,
      roundMs: options.roundMs / 2,
      id: 'reads.l2',
      title: 'A value that is in Redis only (every value checked)',
    });
    const miss = await contest(single(rows.miss, rows.many, 'from PostgreSQL', ', then in Redis'), {
      ...options,
      id: 'reads.miss',
      title: 'A value that is in PostgreSQL only (every value checked)',
    });
    const cursors = [new FeedCursor(rows.many, rows.end), new FeedCursor(rows.many, rows.end)] as const;
    const many = await contest(
      [
        {
          name: 'await getMany',
          does: 'one round trip to Redis, one query, in L1: one load of each in the whole fleet',
          ours: true,
          operations: 1,
          run: () => cursors[0].readMany(MANY, (ids) => zm.getMany(ids)),
        },
        {
          name: 'MGET, then WHERE id = ANY',
          does: 'one round trip to Redis, one query',
          operations: 1,
          run: () => cursors[1].readMany(MANY, (ids) => aside.getMany(ids)),
        },
      ],
      {
        ...options,
        roundMs: options.roundMs / 2,
        id: 'reads.many.miss',
        title: '100 values that are in PostgreSQL only, per call (every value checked)',
      },
    );
    return [l2, miss, many];
  } finally {
    await bento.disconnectAll();
    await zm.close();
  }
}

/** By other nodes of each, which are gone when the reading begins. */
async function fillL2(stage: Stage, { l2, miss }: FeedRows): Promise<void> {
  const { redis, pool, redisAddr } = stage;
  const zm = await openNode(stage, 'filler');
  const bento = twoLevelBento(redisAddr, miss);
  const aside = new CacheAside(redis, pool, 'aside-load:');
  const drizzle = new DrizzleFeeds(redis, pool);
  for (let from = l2; from < miss; from += BATCH) {
    const entries = Array.from({ length: Math.min(BATCH, miss - from) }, (_, at) => ({
      id: feedId(from + at),
      content: feedContent(from + at),
    }));
    await cacheAll(zm, entries);
    await aside.cacheMany(entries);
    await inFlight(entries.length, BATCH, (at) => {
      const { id, content } = entries[at] as (typeof entries)[number];
      return Promise.all([drizzle.get(id), bento.set({ key: id, value: content, ttl: TTL_MS })]);
    });
  }
  await bento.disconnectAll();
  await zm.close();
}

async function cacheAll(zm: ZMsg, entries: readonly { id: string; content: string }[]): Promise<void> {
  const batch = zm.batch();
  for (const { id, content } of entries) batch.cacheOnly(id, Buffer.from(content));
  await batch.execute();
}
