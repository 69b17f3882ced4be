import { atLeast } from '../bar.js';
import { attachedReaders, fillReadKeys } from '../cache/attached-readers.js';
import { rateFigures, readRates, scaleOf } from '../cache/read-rates.js';
import { number } from '../format.js';
import type { Suite } from '../suite.js';

/** What is hot: the bars are for this. */
const HOT_KEYS = 10_000;
/** More than the processor's caches hold: there the memory that all threads share is the limit, for any cache. */
const KEYS = 100_000;
const QUICK_KEYS = 20_000;
const BOUND = 1.8;

/**
 * One hot set, read through `attach()` by one thread and by two: whether threads get in each other's way. The
 * controls tell what of that is the machine's.
 */
export const threads: Suite = {
  name: 'threads',
  async run({ zm }, { quick }) {
    const keys = quick ? QUICK_KEYS : KEYS;
    await fillReadKeys(zm, keys);
    const readers = attachedReaders(zm);
    const hot = await readRates(readers, { keys: HOT_KEYS, quick });
    const all = await readRates(readers, { keys, quick });
    const figures = [
      ...rateFigures('threads', `of ${number(HOT_KEYS)} keys`, readers, hot),
      ...rateFigures('threads.many', `of ${number(keys)} keys`, readers, all),
    ];
    const bars = readers.map(({ id, name }) =>
      atLeast(
        `threads.${id}`,
        `${name} of ${number(HOT_KEYS)} keys: two threads against one`,
        scaleOf(hot, id),
        BOUND,
      ),
    );
    const title = 'Attached threads reading one hot set, Zipf 0.99';
    return { name: 'threads', title, contests: [], figures, bars };
  },
};
