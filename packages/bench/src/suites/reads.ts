import { createFeeds } from '../peers/feed-table.js';
import { compareDbHit } from '../reads/db-hit.js';
import { compareHits } from '../reads/hit.js';
import { compareLoads, type FeedRows } from '../reads/loads.js';
import { compareMany } from '../reads/many.js';
import type { Bar } from '../result.js';
import type { Suite } from '../suite.js';

/** As many as the fastest contender of each contest could use up. */
const ROWS: FeedRows = { l2: 10_000, miss: 130_000, many: 230_000, end: 430_000 };
const QUICK_ROWS: FeedRows = { l2: 10_000, miss: 15_000, many: 22_000, end: 42_000 };

/** Reads by where the value is: in the nearest memory, in Redis, in PostgreSQL, or nowhere. */
export const reads: Suite = {
  name: 'reads',
  async run(stage, options) {
    const rows = options.quick ? QUICK_ROWS : ROWS;
    const bars: Bar[] = [];
    await createFeeds(stage.pool, rows.end);
    const contests = [
      await compareHits(stage, options, bars),
      await compareMany(stage, options),
      ...(await compareLoads(stage, options, rows)),
      ...(await compareDbHit(stage, options, bars)),
    ];
    return { name: 'reads', title: 'Reads', contests, bars };
  },
};
