import { counter, sql } from '@zmsg/core';
import { contest } from '../contest.js';
import type { Suite } from '../suite.js';

const LOOP = 1_000;

/** Calls that touch no server: they must cost next to nothing. */
export const builders: Suite = {
  name: 'builders',
  async run(_stage, options) {
    const loop = (name: string, does: string, call: (n: number) => unknown) => ({
      name,
      does,
      ours: true,
      operations: LOOP,
      run: () => {
        for (let n = 0; n < LOOP; n++) if (call(n) === undefined) throw new Error(`${name} gave nothing`);
      },
    });
    const build = await contest(
      [
        loop('sql build', 'text and values', (n) =>
          sql('INSERT INTO feeds (id, content) VALUES (?, ?)', n, 'x').build(),
        ),
        loop('counter build', 'a task for the shards', (n) =>
          counter('feed_meta', 'like_count').inc(1).where('id = ?', n).batchKey('meta').build(),
        ),
      ],
      { ...options, id: 'builders.build', title: 'Building a statement' },
    );
    return { name: 'builders', title: 'Calls that touch no server', contests: [build] };
  },
};
