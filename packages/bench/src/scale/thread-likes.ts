import { number } from '../format.js';
import { checkLikes, createLikes } from '../peers/like-table.js';
import type { Curve } from '../result.js';
import type { Stage } from '../stage.js';
import { LikingThreads } from '../writes/liking-threads.js';

const IN_FLIGHT = 500;
/** Of all threads together, for who needs connections. */
const CONNECTIONS = 25;
const POINT_MS = 2_000;
const QUICK_POINT_MS = 200;

interface Way {
  name: string;
  ours: boolean;
  table: string;
  /** Likes of a thread between two looks at the clock; in a quick run a tenth, but no less than are in flight. */
  slice: number;
}

const WAYS: readonly Way[] = [
  { name: 'cacheAndPeriodicStore, interval', ours: true, table: 'bench_scale_threads', slice: 20_000 },
  { name: 'UPDATE and DEL, by hand', ours: false, table: 'bench_scale_threads_hand', slice: 2_000 },
];

/** How many likes a second of so many threads are acknowledged. */
export async function threadLikesCurve(
  stage: Stage,
  counts: readonly number[],
  quick: boolean,
): Promise<Curve> {
  const series: Curve['series'] = [];
  for (const way of WAYS)
    series.push({ name: way.name, ours: way.ours, points: await pointsOf(stage, way, counts, quick) });
  return {
    id: 'scale.threads.likes',
    title: `Likes of threads, ${number(IN_FLIGHT)} in flight in each`,
    x: { name: 'threads', unit: '' },
    y: { name: 'likes', unit: '/s' },
    series,
  };
}

async function pointsOf(
  { zm, pool, dsn, redisAddr }: Stage,
  { ours, table, slice: fullSlice }: Way,
  counts: readonly number[],
  quick: boolean,
): Promise<[number, number][]> {
  const ms = quick ? QUICK_POINT_MS : POINT_MS;
  const slice = quick ? Math.max(IN_FLIGHT, fullSlice / 10) : fullSlice;
  await createLikes(pool, table);
  const points: [number, number][] = [];
  let liked = 0;
  for (const count of counts) {
    const connections = Math.max(1, Math.floor(CONNECTIONS / count));
    const task = { dsn, redisAddr, connections, table, count: slice, width: IN_FLIGHT };
    const threads = await LikingThreads.start(count, task, ours ? zm : undefined);
    try {
      await threads.round();
      const started = performance.now();
      let counted = 0;
      do {
        await threads.round();
        counted += count * slice;
      } while (performance.now() - started < ms);
      points.push([count, (counted * 1_000) / (performance.now() - started)]);
      liked += counted + count * slice;
    } finally {
      await threads.close();
    }
    // What is left of this point is no work of the next one.
    await zm.flush();
  }
  await checkLikes(pool, table, liked);
  return points;
}
