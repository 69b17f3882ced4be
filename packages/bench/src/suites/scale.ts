import { availableParallelism } from 'node:os';
import { entriesCurves } from '../scale/entries.js';
import { likesCurves } from '../scale/likes.js';
import { threadCounts } from '../scale/thread-counts.js';
import { threadLikesCurve } from '../scale/thread-likes.js';
import { threadReadsCurve } from '../scale/thread-reads.js';
import type { Suite } from '../suite.js';

/** How the cost of one operation grows as there is more of everything. */
export const scale: Suite = {
  name: 'scale',
  async run(stage, { quick }) {
    const threads = quick ? [1, 2] : threadCounts(availableParallelism());
    const curves = [
      ...entriesCurves(quick),
      await threadReadsCurve(stage, threads, quick),
      await threadLikesCurve(stage, threads, quick),
      ...(await likesCurves(stage, quick)),
    ];
    const title = 'How cost grows with the work (values and sums checked)';
    return { name: 'scale', title, contests: [], curves };
  },
};
