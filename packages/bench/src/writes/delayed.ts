import { sql } from '@zmsg/core';
import { type Contender, contest } from '../contest.js';
import { BullWrites } from '../peers/bull-writes.js';
import { FEEDS, feedContent, feedId } from '../peers/feed-table.js';
import type { Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';

/** Of zmsg's own worker. */
const CONCURRENCY = 5;
/** Calls in one sample: their writes are waited for before the next one, so that nobody works on another's time. */
const LOOP = 20;

/** `cacheAndDelayStore` without a delay, beside BullMQ with a worker of one's own. */
export async function compareDelayed(
  { zm, pool, redisAddr }: Stage,
  options: SuiteOptions,
  rows: number,
): Promise<Contest> {
  const bull = new BullWrites(redisAddr, pool, CONCURRENCY);
  try {
    await bull.ready();
    const queue = await zm.delayQueue();
    const written: [first: Written, second: Written] = [new Map(), new Map()];
    // Halves of the table: what is last written to a row is checked in the end.
    const half = rows >> 1;
    const enqueuing = (
      names: Pick<Contender, 'name' | 'does' | 'ours'>,
      last: Written,
      first: number,
      enqueue: (id: string, content: string) => Promise<void>,
      pending: () => Promise<number>,
    ): Contender => {
      let at = 0;
      return {
        ...names,
        operations: LOOP,
        before: () => untilZero(pending),
        run: async () => {
          for (let n = 0; n < LOOP; n++, at++) {
            const id = feedId(first + (at % half));
            const content = feedContent(at + 1);
            last.set(id, content);
            await enqueue(id, content);
          }
        },
      };
    };
    const ourPending = async () => {
      const { waiting, delayed, active, failed } = await queue.stats();
      if (failed > 0) throw new Error(`${failed} delayed writes have failed`);
      return waiting + delayed + active;
    };
    const result = await contest(
      [
        enqueuing(
          {
            name: 'cacheAndDelayStore',
            does: 'in BullMQ’s queue, the value in L1 and Redis; written once',
            ours: true,
          },
          written[0],
          0,
          (id, content) =>
            zm.cacheAndDelayStore(
              id,
              Buffer.from(content),
              sql(`UPDATE ${FEEDS} SET content = ? WHERE id = ?`, content, id),
            ),
          ourPending,
        ),
        enqueuing(
          { name: 'queue.add (BullMQ)', does: 'in BullMQ’s queue; written once or more' },
          written[1],
          half,
          (id, content) => bull.add(id, content),
          () => bull.pending(),
        ),
      ],
      {
        ...options,
        id: 'writes.delay',
        title: 'Updates to be written later, one after the other (each row checked)',
      },
    );
    await untilZero(ourPending);
    await untilZero(() => bull.pending());
    for (const last of written) {
      const ids = [...last.keys()];
      const { rows } = await pool.query<{ id: string; content: string }>(
        `SELECT id, content FROM ${FEEDS} WHERE id = ANY($1)`,
        [ids],
      );
      const wrong = rows.filter(({ id, content }) => last.get(id) !== content).length;
      if (wrong > 0 || rows.length !== ids.length)
        throw new Error(`${wrong} of ${ids.length} rows are wrong`);
    }
    return result;
  } finally {
    await bull.close();
  }
}

type Written = Map<string, string>;

async function untilZero(pending: () => Promise<number>): Promise<void> {
  while ((await pending()) > 0) await new Promise((resolve) => setTimeout(resolve, 2));
}
