import { createFeeds } from '../peers/feed-table.js';
import type { Bar } from '../result.js';
import type { Suite } from '../suite.js';
import { compareCacheOnly } from '../writes/cache-only.js';
import { compareDelayed } from '../writes/delayed.js';
import { compareLikes } from '../writes/likes.js';
import { compareParallel } from '../writes/parallel.js';
import { compareStores } from '../writes/store.js';

/** Each way to write beside what a program without an engine does; what has happened by then differs, and is said. */
export const writes: Suite = {
  name: 'writes',
  async run(stage, options) {
    const rows = options.quick ? 2_000 : 10_000;
    const bars: Bar[] = [];
    await createFeeds(stage.pool, rows);
    const contests = [
      ...(await compareCacheOnly(stage, options)),
      ...(await compareStores(stage, options, rows)),
      await compareDelayed(stage, options, rows),
      ...(await compareLikes(stage, options, bars)),
      await compareParallel(stage, options),
    ];
    return { name: 'writes', title: 'Writes', contests, bars };
  },
};
