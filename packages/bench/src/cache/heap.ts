import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { atMost } from '../bar.js';
import { number, times } from '../format.js';
import type { Bar, Figure } from '../result.js';

const PROGRAM = fileURLToPath(new URL('heap-child.js', import.meta.url));

interface Filled {
  heapBytes: number;
  gcMs: number;
  entries: number;
}

/**
 * What so many entries do to the heap, and to a collection of it. In processes of their own, in turns: a pause of a
 * few milliseconds is soon twice as long for another reason.
 */
export function compareHeaps(entries: number, rounds: number): { figures: Figure[]; bars: Bar[] } {
  const fill = (which: string): Filled =>
    JSON.parse(
      execFileSync(process.execPath, ['--expose-gc', PROGRAM, which, String(entries)], { encoding: 'utf8' }),
    );
  const fills = Array.from({ length: rounds }, () => [fill('none'), fill('SharedLRU')] as const);
  const lru = fill('lru-cache');
  const empty = middle(fills.map(([each]) => each));
  const shared = middle(fills.map(([, each]) => each));
  if (shared.entries !== lru.entries) throw new Error(`${shared.entries} of ${lru.entries} entries are held`);
  const figure = (name: string, { heapBytes, gcMs }: Filled): Figure => ({
    id: `cache.heap.${name}`,
    name: `heap of ${number(entries)} entries of 200 bytes in ${name}`,
    value: heapBytes,
    unit: 'bytes',
    note: `a forced major GC takes ${times(gcMs / empty.gcMs)} that of an empty process`,
  });
  return {
    figures: [figure('lru-cache', lru), figure('SharedLRU', shared)],
    bars: [
      atMost('cache.heap', `heap of ${number(entries)} entries`, shared.heapBytes, 20e6, 'bytes'),
      atMost(
        'cache.gc',
        `major GC with ${number(entries)} entries, against an empty process`,
        shared.gcMs / empty.gcMs,
        1.5,
      ),
    ],
  };
}

/** That whose pauses are the median. */
function middle(fills: Filled[]): Filled {
  return fills.sort((a, b) => a.gcMs - b.gcMs)[fills.length >> 1] as Filled;
}
