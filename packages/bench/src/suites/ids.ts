import { Snowflake as SapphireSnowflake } from '@sapphire/snowflake';
import type { ZMsg } from '@zmsg/core';
import { IdGenerator } from '@zmsg/core/ids';
import hyperid from 'hyperid';
import { Snowflake as NodeSnowflake } from 'nodejs-snowflake';
import type { Pool } from 'pg';
import { atLeast, atMost } from '../bar.js';
import { type Contender, contest, median, type Rounds, ratioOf } from '../contest.js';
import { number } from '../format.js';
import { issuingRate } from '../ids/issuing-rate.js';
import type { Bar, Contest, Figure } from '../result.js';
import type { Suite } from '../suite.js';

const EPOCH_MS = Date.UTC(2024, 0, 1);
/** Of the layout: 12 bits of sequence. */
const LIMIT_PER_MS = 4_096;
const THREADS = 2;
const CLOCK = 'Date.now()';
const NEXT_ID = "nextId('feed')";
const NODE_SNOWFLAKE = 'nodejs-snowflake';
const SAPPHIRE = '@sapphire/snowflake';
const UNIQUE = 'unique over threads, nodes and restarts';

/**
 * Ids beside `Date.now()`, without which no such id can be made, and beside other makers of them.
 *
 * An id generator can only be compared where it does not have to wait: nodejs-snowflake has 1,024 ids
 * per millisecond and then spins, @sapphire/snowflake has 4,096 and then repeats them, `nextId` has
 * 4,096 and then waits. In a plain loop one would measure these limits. So a call of `run` is a burst of
 * 500 at the beginning of a millisecond, timed without the wait for it, for `Date.now()` likewise: work
 * between the calls instead would be in both times and hide the difference.
 *
 * Bursts of 100 and 10 show what the first id of a millisecond costs, which takes a block of the
 * sequence from the shared memory, with caches that are cold after the wait. A burst of 10 is so short
 * that a good part of its figure is the stopwatch; that part is the same for all.
 */
export const ids: Suite = {
  name: 'ids',
  async run({ zm, pool }, options) {
    const figures: Figure[] = [];
    const bars: Bar[] = [];
    // Most of a millisecond is waited away and not counted: 20 ms are some 500 bursts, and half a second.
    const rounds = options.quick ? { rounds: 2, roundMs: 5 } : { rounds: 9, roundMs: 20 };
    const makers = await compareMakers(zm, rounds, bars);
    const contests = [makers, ...(await compareFew(zm, rounds)), await compareUsed(zm, rounds)];
    await measureLimit(pool, options.quick, figures, bars);
    const title = 'Ids: as text, in bursts at the beginning of a millisecond';
    return { name: 'ids', title, contests, figures, bars };
  },
};

async function compareMakers(zm: ZMsg, rounds: Rounds, bars: Bar[]): Promise<Contest> {
  const makers = await contest(
    [
      burst(CLOCK, 'the time', 500, () => Date.now()),
      nextId(zm, 500),
      burst('nextId of two prefixes in turn', UNIQUE, 500, (n) => zm.nextId(n & 1 ? 'feed' : 'tag'), true),
      ...peers().map(({ name, does, make }) => burst(name, does, 500, make)),
    ],
    { ...rounds, id: 'ids.500', title: '500 per millisecond' },
  );
  bars.push(atMost('ids.clock', 'nextId against Date.now()', ratioOf(makers, NEXT_ID, CLOCK), 1.5));
  // hyperid's are no 64-bit ids, so it is not in the race.
  const faster = Math.min(ratioOf(makers, NODE_SNOWFLAKE, NEXT_ID), ratioOf(makers, SAPPHIRE, NEXT_ID));
  bars.push(atLeast('ids.snowflakes', 'nextId against the faster of the two snowflakes', faster, 2));
  return makers;
}

function compareFew(zm: ZMsg, rounds: Rounds): Promise<Contest[]> {
  return inTurn([100, 10], (operations) =>
    contest(
      [
        burst(CLOCK, 'the time', operations, () => Date.now()),
        nextId(zm, operations),
        ...peers().map(({ name, does, make }) => burst(name, does, operations, make)),
      ],
      {
        rounds: rounds.rounds,
        roundMs: (rounds.roundMs * operations) / 500,
        id: `ids.${operations}`,
        title: `${operations} per millisecond`,
      },
    ),
  );
}

/**
 * V8 joins strings lazily: the first who reads the characters of an id pays for putting it together.
 * So here the characters of every maker's ids are read.
 */
function compareUsed(zm: ZMsg, rounds: Rounds): Promise<Contest> {
  const read = (id: string) => id.charCodeAt(id.length - 1);
  return contest(
    [
      burst(NEXT_ID, UNIQUE, 500, () => read(zm.nextId('feed')), true),
      ...peers().map(({ name, does, make }) => burst(name, does, 500, () => read(make()))),
    ],
    { ...rounds, id: 'ids.used', title: '500 per millisecond, and the characters of each read' },
  );
}

async function measureLimit(pool: Pool, quick: boolean, figures: Figure[], bars: Bar[]): Promise<void> {
  const store = {
    exec: async <Row>(text: string, values: readonly unknown[] = []) => {
      const { rowCount, rows } = await pool.query(text, [...values]);
      return { rowCount: rowCount ?? 0, rows: rows as Row[] };
    },
  };
  const generator = await IdGenerator.open({ store, epochMs: EPOCH_MS, leaseTtlMs: 30_000 });
  try {
    const windows = quick ? { windows: 3, windowMs: 200 } : { windows: 9, windowMs: 1_000 };
    const { rates, processors } = await issuingRate(generator.handle, THREADS, windows);
    const rate = median(rates);
    const [lowest, highest] = [Math.min(...rates), Math.max(...rates)].map(number);
    figures.push({
      id: 'ids.limit',
      name: `${THREADS} threads attached to one generator, all they can`,
      value: rate,
      unit: '/ms',
      note: `${lowest} to ${highest}, on ${number(processors)} processors`,
    });
    bars.push(
      atLeast(
        'ids.limit',
        `nextId of ${THREADS} threads, of the 4,096 per ms`,
        rate / LIMIT_PER_MS,
        0.95,
        '',
      ),
    );
  } finally {
    await generator.close();
  }
}

interface Maker {
  name: string;
  does: string;
  make: () => string;
}

/** Each as its documentation recommends, made into the text that an id is as a key or in JSON. */
function peers(): [Maker, Maker, Maker] {
  const sapphire = new SapphireSnowflake(new Date(EPOCH_MS));
  const node = new NodeSnowflake({ custom_epoch: EPOCH_MS, instance_id: 7 });
  const hyper = hyperid();
  return [
    {
      name: NODE_SNOWFLAKE,
      does: 'unique in this process, and between those that were given other numbers',
      make: () => node.getUniqueID().toString(),
    },
    {
      name: SAPPHIRE,
      does: 'unique in this process, for 4,096 per millisecond',
      make: () => sapphire.generate().toString(),
    },
    { name: 'hyperid (no 64-bit ids)', does: 'a UUID of the process and a count', make: hyper },
  ];
}

function nextId(zm: ZMsg, operations: number): Contender {
  return burst(NEXT_ID, UNIQUE, operations, () => zm.nextId('feed'), true);
}

function burst(
  name: string,
  does: string,
  operations: number,
  make: (n: number) => string | number,
  ours = false,
): Contender {
  let sink: string | number = 0;
  return {
    name,
    does,
    ours,
    operations,
    before: () => {
      const startMs = Date.now();
      while (Date.now() === startMs);
    },
    run: () => {
      for (let n = 0; n < operations; n++) {
        const made = make(n);
        if (made === '') throw new Error(`${name} gave nothing after ${sink}`);
        sink = made;
      }
    },
  };
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
