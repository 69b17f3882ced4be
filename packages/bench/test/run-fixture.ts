import type { BenchRun, Contest, Spread, Standing, WorkloadRun } from '../dist/result.js';
import { SCHEMA } from '../dist/result.js';

/** Names as an attacker, or a careless suite, would choose them. */
export const HOSTILE = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"> & "double" 'single' | pipe \`tick\``;
export const HOSTILE_ID = '../../<svg onload="window.hacked=1">';
const LONG = 'a contender whose name goes on and on, since it says all of its options in one breath: ';

const spread = (median: number, share = 0.05): Spread => ({
  median,
  low: median * (1 - share),
  high: median * (1 + share),
});

/** Times in nanoseconds; the first is ours, against which the others are held. */
function contest(
  id: string,
  title: string,
  show: Contest['show'],
  [first, ...others]: [name: string, does: string, ns: number, ours?: boolean][],
): Contest {
  const [name, does, reference] = first as [string, string, number];
  const standing = (name: string, does: string, ns: number, ours: boolean): Standing => ({
    name,
    does,
    ours,
    operations: 1_000,
    p50: ns,
    p75: ns * 1.1,
    p99: ns * 3,
    ratio: ns === reference ? { median: 1, low: 1, high: 1 } : spread(ns / reference),
  });
  return {
    id,
    title,
    show,
    standings: [
      standing(name, does, reference, true),
      ...others.map(([name, does, ns, ours = false]) => standing(name, does, ns, ours)),
    ],
  };
}

function workloadRun(name: string, ours: boolean, throughput: number, ratio: number): WorkloadRun {
  return {
    name,
    does: ours ? 'likes on disk in the log' : 'likes on disk in PostgreSQL',
    ours,
    throughput: spread(throughput),
    ratio: ratio === 1 ? { median: 1, low: 1, high: 1 } : spread(ratio),
    latencyMs: {
      p50: 400 / throughput,
      p75: 600 / throughput,
      p99: 4e3 / throughput,
      p999: 2e4 / throughput,
      max: 5e4 / throughput,
    },
    hitRatio: ours ? 0.953 : 0.951,
    eventLoopDelayMs: { p50: 0.4, p99: 3.1, max: 12 },
    gc: { pauses: 31, totalMs: 45, maxMs: 4.2 },
    cpu: 1.42,
    rssBytes: 412e6,
    database: { statements: ours ? 812 : 98_231, rows: ours ? 9_120 : 98_231 },
    checked:
      'likes of each of 102,535 posts in PostgreSQL are the 9,998 acknowledged; 2,535 new posts are there; 255,909 ' +
      'reads gave their post, with a count at most 610000 ms old; 3,998 of them compared byte by byte',
  };
}

/** Every part of the schema; not quick. */
export function runFixture(): BenchRun {
  const viral = workloadRun('zmsg', true, 41_000, 1);
  return {
    schema: SCHEMA,
    machine: {
      cpu: 'AMD EPYC "Milan" <7763>',
      cpus: 2,
      memoryBytes: 25_276_510_208,
      system: 'linux 6.18.44 x64',
      node: 'v20.20.2',
      v8: '11.3.244.8-node.38',
      commit: '5407b4691203+',
      startedAt: '2026-11-28T12:02:34.216Z',
    },
    quick: false,
    suites: [
      {
        name: 'reads',
        title: 'Reads',
        contests: [
          contest('reads.hit', 'A hit, 100 bytes, 10,000 keys (every value checked)', 'time', [
            ['await get', 'a value of its own, from L1', 210],
            ['peek', 'the same, without a promise', 98, true],
            ['await ioredis GET', 'a round trip on loopback', 81_000],
            ['lru-cache, before a cache-aside with Drizzle', 'the object that was stored', 203],
          ]),
          contest('reads.miss', 'A miss of all caches: one row of PostgreSQL', 'time', [
            ['get', 'from PostgreSQL, now in L1 and Redis', 260_000],
            ['cache-aside (ioredis, pg)', 'from PostgreSQL, now in Redis', 241_000],
            ['Drizzle + Redis', 'from PostgreSQL, now in Redis', 402_000],
          ]),
          contest('builders.sql', 'Building a statement', 'time', [
            ['sql build', 'text and values', 290],
            ['counter build', 'a task for the shards', 703, true],
          ]),
        ],
        bars: [
          {
            id: 'reads.redis',
            name: 'awaited get of an L1 hit against a Redis GET',
            relation: '≥',
            bound: 360,
            measured: 385.7,
            unit: '×',
            met: true,
          },
          {
            id: 'reads.nothing',
            name: 'a bar of which no number came out',
            relation: '≤',
            bound: 2,
            measured: Number.NaN,
            unit: '×',
            met: false,
          },
        ],
      },
      {
        name: 'writes',
        title: 'Writes',
        contests: [
          contest('writes.store', 'A write that PostgreSQL has when the call answers', 'rate', [
            ['cacheAndStore', 'committed, cached', 610_000],
            ['UPDATE + DEL (pg pool, ioredis)', 'committed, cache emptied', 640_000],
            ['Drizzle, Redis DEL', 'committed, cache emptied', 910_000],
          ]),
          contest('counters.likes', 'Likes, 1,000 in flight, 10,000 rows (sums checked)', 'rate', [
            ['cacheAndPeriodicStore, always', 'on disk in the log', 9_100],
            ['cacheAndPeriodicStore, off', 'taken by the shard', 3_050, true],
            ['one awaited UPDATE each (pg pool)', 'on disk in PostgreSQL', 312_000],
            ['Redis INCR, written behind', 'in Redis', 41_000],
          ]),
          contest(HOSTILE_ID, HOSTILE, 'time', [
            [`ours: ${HOSTILE}`, HOSTILE, 100],
            [LONG + HOSTILE, HOSTILE, 118],
            [`${LONG.repeat(3)}ioredis`, '', Number.NaN],
          ]),
        ],
        bars: [
          {
            id: 'counters.updates',
            name: '`always` against awaited UPDATEs',
            relation: '≥',
            bound: 20,
            measured: 34.3,
            unit: '×',
            met: true,
          },
          {
            id: HOSTILE_ID,
            name: HOSTILE,
            relation: '≥',
            bound: 20,
            measured: 0.5,
            unit: 'points',
            met: false,
          },
        ],
        figures: [
          { id: 'flush.ours', name: 'rows flushed by 16 shards', value: 39_817.4, unit: '/s' },
          { id: 'flush.none', name: HOSTILE, value: Number.NaN, unit: 'bytes', note: HOSTILE },
        ],
      },
      {
        name: 'hit-ratio',
        title: 'Hit ratio of SharedLRU, beside policies with room for as many entries',
        contests: [],
        figures: [256, 1_024].map((room) => ({
          id: `hit-ratio.Zipf with churn.${room}`,
          name: `Zipf with churn, ${room.toLocaleString('en-US')} entries`,
          value: 48.052,
          unit: '%' as const,
          note: 'FIFO 35.08  LRU 39.34  SIEVE  8.59  S3-FIFO 49.87  W-TinyLFU 49.77  optimum 56.94  (held 256)',
        })),
      },
      {
        name: 'workloads',
        title: 'Loads of a whole application',
        contests: [],
        workloads: [
          {
            id: 'viral',
            title: 'One post gets half of all likes',
            runs: [
              viral,
              workloadRun('Redis + PostgreSQL by hand (cache-aside)', false, 3_200, 41_000 / 3_200),
              workloadRun('Drizzle + Redis (cache-aside)', false, 2_100, 41_000 / 2_100),
              {
                ...viral,
                offered: 2_000,
                throughput: spread(2_000, 0.01),
                latencyMs: { p50: 0.1, p75: 0.12, p99: 0.8, p999: 1.9, max: 4 },
              },
              { ...workloadRun('Redis + PostgreSQL by hand (cache-aside)', false, 2_000, 1), offered: 2_000 },
            ],
          },
          {
            id: 'feed',
            title: 'A feed is read, 95 of 100 from a cache',
            runs: [
              // Without what may be absent.
              (({ hitRatio: _, ...run }) => run)(workloadRun('zmsg', true, 21_000, 1)),
              workloadRun('bentocache + Drizzle', false, 23_400, 21_000 / 23_400),
              workloadRun(LONG + HOSTILE, false, 20_900, 21_000 / 20_900),
            ],
          },
        ],
        curves: [
          {
            id: 'scale.hot',
            title: 'Writes that reach PostgreSQL, by likes of one row',
            x: { name: 'likes', unit: '' },
            y: { name: 'statements', unit: '' },
            series: [
              {
                name: 'zmsg',
                ours: true,
                points: [
                  [1, 1],
                  [10, 1],
                  [100, 1],
                  [1_000, 2],
                  [10_000, 4],
                ],
              },
              {
                name: 'one UPDATE each',
                ours: false,
                points: [
                  [1, 1],
                  [10, 10],
                  [100, 100],
                  [1_000, 1_000],
                  [10_000, 10_000],
                ],
              },
              {
                name: HOSTILE,
                ours: false,
                points: [
                  [1, 2],
                  [10, Number.NaN],
                  [100, 30],
                ],
              },
            ],
          },
          {
            id: 'scale.threads',
            title: 'Reads by threads',
            x: { name: 'threads', unit: '' },
            y: { name: 'reads', unit: '/s' },
            series: [
              {
                name: 'peek',
                ours: true,
                points: [
                  [1, 4.1e6],
                  [2, 7.9e6],
                ],
              },
            ],
          },
        ],
      },
    ],
  };
}
