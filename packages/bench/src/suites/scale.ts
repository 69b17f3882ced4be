import { entriesCurves } from '../scale/entries.js';
import { likesCurves } from '../scale/likes.js';
import type { Suite } from '../suite.js';

/** How the cost of one operation grows as there is more of everything. */
export const scale: Suite = {
  name: 'scale',
  async run(stage, { quick }) {
    const curves = [...entriesCurves(quick), ...(await likesCurves(stage, quick))];
    return { name: 'scale', title: 'How cost grows with the work (sums checked)', contests: [], curves };
  },
};
