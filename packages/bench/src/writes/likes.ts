import { counter, type Durability } from '@zmsg/core';
import pg from 'pg';
import { atLeast } from '../bar.js';
import { type Contender, contest, ratioOf } from '../contest.js';
import { number } from '../format.js';
import { inFlight } from '../in-flight.js';
import { DrizzleLikes } from '../peers/drizzle-likes.js';
import { HandLikes } from '../peers/hand-likes.js';
import { checkLikes, createLikes, LIKED_POSTS, likedPost } from '../peers/like-table.js';
import type { Bar, Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';

const IN_FLIGHT = 1_000;
/** Of the pools; as many as the engine has. */
const CONNECTIONS = 25;
const INTERVAL = 'cacheAndPeriodicStore, interval';
const HAND = 'UPDATE and DEL';

interface Likes {
  name: string;
  does: string;
  ours?: boolean;
  table: string;
  /** Calls in one sample with 1,000 in flight: some for whom a statement each is sent, many for others. */
  many: number;
  like: (id: string) => Promise<unknown>;
}

/** The same likes, one after the other and 1,000 in flight; each contender has a table of its own. */
export async function compareLikes(stage: Stage, options: SuiteOptions, bars: Bar[]): Promise<Contest[]> {
  const { zm, redis, pool, dsn } = stage;
  const asynchronous = new pg.Pool({
    connectionString: dsn,
    max: CONNECTIONS,
    options: '-c synchronous_commit=off',
  });
  const [some, many] = options.quick ? [1_000, 10_000] : [5_000, 50_000];
  const periodic = (name: string, does: string, durability: Durability): Likes => {
    const table = `bench_likes_${durability}`;
    const likes = counter(table, 'likes').inc(1);
    const like = (id: string) =>
      zm.cacheAndPeriodicStore(id, null, likes.where('id = ?', id), { durability });
    return { name, does, ours: true, table, many, like };
  };
  const theirs = (name: string, does: string, table: string, make: (table: string) => Liking): Likes => {
    const peer = make(table);
    return { name, does, table, many: some, like: (id) => peer.like(id) };
  };
  const all: Likes[] = [
    periodic(INTERVAL, 'survives kill -9: in the log, on disk within a second', 'interval'),
    periodic('cacheAndPeriodicStore, always', 'survives power loss: on disk in the log', 'always'),
    theirs(
      HAND,
      'survives power loss: on disk in PostgreSQL; gone from Redis',
      'bench_likes_hand',
      (table) => new HandLikes(redis, pool, table),
    ),
    theirs(
      `${HAND}, synchronous_commit off`,
      'survives kill -9 of this process: in PostgreSQL, on disk within a second; gone from Redis',
      'bench_likes_hand_async',
      (table) => new HandLikes(redis, asynchronous, table),
    ),
    theirs(
      'Drizzle, then invalidate',
      'survives power loss: on disk in PostgreSQL; gone from Redis',
      'bench_likes_drizzle',
      (table) => new DrizzleLikes(redis, pool, table),
    ),
  ];
  const liked = new Map<string, number>();
  const count = (table: string, likes: number) => liked.set(table, (liked.get(table) ?? 0) + likes);
  try {
    for (const { table } of all) await createLikes(pool, table);
    const single = await contest(
      all.map(({ table, like, name, does, ours = false }): Contender => {
        let at = 0;
        return {
          name,
          does,
          ours,
          operations: 1,
          run: async () => {
            count(table, 1);
            await like(likedPost(at++));
          },
        };
      }),
      { ...options, id: 'writes.like', title: 'Likes, one after the other (sums checked)' },
    );
    const flight = await contest(
      all.map(
        ({ table, like, many, name, does, ours = false }): Contender => ({
          name,
          does,
          ours,
          operations: many,
          run: async () => {
            count(table, many);
            await inFlight(many, IN_FLIGHT, (n) => like(likedPost(n)));
          },
        }),
      ),
      {
        ...options,
        id: 'writes.likes',
        title: `The same, ${number(IN_FLIGHT)} in flight, ${number(LIKED_POSTS)} posts (sums checked)`,
        show: 'rate',
      },
    );
    await zm.flush();
    for (const { table } of all) await checkLikes(pool, table, liked.get(table) ?? 0);
    bars.push(
      atLeast(
        'writes.likes',
        `likes of \`interval\`, ${number(IN_FLIGHT)} in flight, against PostgreSQL and Redis by hand`,
        ratioOf(flight, HAND, INTERVAL),
        100,
      ),
    );
    return [single, flight];
  } finally {
    await asynchronous.end();
  }
}

interface Liking {
  like: (id: string) => Promise<void>;
}
