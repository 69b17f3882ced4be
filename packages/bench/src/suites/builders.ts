import { counter, sql } from '@zmsg/core';
import { contest } from '../contest.js';
import { nanoseconds } from '../format.js';
import type { Suite } from '../suite.js';

const LOOP = 1_000;

/** Calls that touch no server: they must cost next to nothing. */
export const builders: Suite = {
  name: 'builders',
  async run({ zm }, options) {
    const loop = (name: string, call: (n: number) => unknown) => ({
      name,
      operations: LOOP,
      run: () => {
        for (let n = 0; n < LOOP; n++) if (call(n) === undefined) throw new Error(`${name} gave nothing`);
      },
    });
    const standings = await contest(
      [
        loop('nextId', () => zm.nextId('feed')),
        loop('sql build', (n) => sql('INSERT INTO feeds (id, content) VALUES (?, ?)', n, 'x').build()),
        loop('counter build', (n) =>
          counter('feed_meta', 'like_count').inc(1).where('id = ?', n).batchKey('meta').build(),
        ),
      ],
      options,
    );
    return {
      title: 'Calls that touch no server',
      figures: standings.map(({ name, nsPerOp, spread }) => ({
        name,
        value: nanoseconds(nsPerOp),
        note: `spread ${spread.toFixed(2)}`,
      })),
      bars: [],
    };
  },
};
