import { contest } from '../contest.js';
import { number } from '../format.js';
import { checkLikes, createLikes } from '../peers/like-table.js';
import type { Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';
import { LikingThreads } from './liking-threads.js';

const IN_FLIGHT = 1_000;
/** Of all threads together, for who needs connections. */
const CONNECTIONS = 25;

/** Likes of threads of their own, 1,000 in flight in each. */
export async function compareParallel(
  { zm, pool, dsn, redisAddr }: Stage,
  options: SuiteOptions,
): Promise<Contest> {
  const [some, many] = options.quick ? [1_000, 10_000] : [5_000, 50_000];
  const started: LikingThreads[] = [];
  const liked = new Map<string, number>();
  const liking = async (name: string, does: string, count: number, table: string, threads: number) => {
    const ours = name.startsWith('cache');
    await createLikes(pool, table);
    liked.set(table, 0);
    const connections = Math.floor(CONNECTIONS / threads);
    const task = { dsn, redisAddr, connections, table, count, width: IN_FLIGHT };
    const each = await LikingThreads.start(threads, task, ours ? zm : undefined);
    started.push(each);
    const operations = threads * count;
    const run = async () => {
      liked.set(table, (liked.get(table) ?? 0) + operations);
      await each.round();
    };
    return { name, does, ours, operations, run };
  };
  const logged = 'survives kill -9: in the log, on disk within a second';
  const stored = 'survives power loss: on disk in PostgreSQL; gone from Redis';
  try {
    const contenders = [
      await liking('cacheAndPeriodicStore, two attached threads', logged, many, 'bench_likes_threads_2', 2),
      await liking('cacheAndPeriodicStore, one attached thread', logged, many, 'bench_likes_threads_1', 1),
      await liking('UPDATE and DEL, two threads', stored, some, 'bench_likes_hand_2', 2),
      await liking('UPDATE and DEL, one thread', stored, some, 'bench_likes_hand_1', 1),
    ];
    const result = await contest(contenders, {
      ...options,
      id: 'writes.parallel',
      title: `Likes of threads, ${number(IN_FLIGHT)} in flight in each (sums checked)`,
      show: 'rate',
    });
    await zm.flush();
    for (const [table, likes] of liked) await checkLikes(pool, table, likes);
    return result;
  } finally {
    for (const threads of started) await threads.close();
  }
}
