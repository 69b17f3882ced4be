import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Curve } from '../result.js';

const PROGRAM = fileURLToPath(new URL('entries-child.js', import.meta.url));
const CACHES = ['SharedLRU', 'lru-cache'] as const;
/** Ten million entries of lru-cache are several gigabytes. */
const HEAP_MIB = 12_288;

interface Times {
  getNs: number;
  setNs: number;
}

/** What a get and a set cost as a cache grows. */
export function entriesCurves(quick: boolean): Curve[] {
  const sizes = quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000, 10_000_000];
  const reads = quick ? 100_000 : 1_000_000;
  const measured = CACHES.map((name) => ({
    name,
    times: sizes.map((size) => [size, timesOf(name, size, reads)] as const),
  }));
  const curve = (id: string, title: string, of: (times: Times) => number): Curve => ({
    id: `scale.entries.${id}`,
    title,
    x: { name: 'entries', unit: '' },
    y: { name: 'time of a call', unit: 'ns' },
    series: measured.map(({ name, times }) => ({
      name,
      ours: name === 'SharedLRU',
      points: times.map(([size, each]): [number, number] => [size, of(each)]),
    })),
  });
  return [
    curve('get', 'get, Zipf 0.99 over all entries, the key built for its call', ({ getNs }) => getNs),
    curve('set', 'set into an empty cache until it has all', ({ setNs }) => setNs),
  ];
}

function timesOf(cache: string, entries: number, reads: number): Times {
  const args = [`--max-old-space-size=${HEAP_MIB}`, PROGRAM, cache, String(entries), String(reads)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Times;
}
