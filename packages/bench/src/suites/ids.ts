import { Snowflake as SapphireSnowflake } from '@sapphire/snowflake';
import type { ZMsg } from '@zmsg/core';
import { IdGenerator } from '@zmsg/core/ids';
import hyperid from 'hyperid';
import { Snowflake as NodeSnowflake } from 'nodejs-snowflake';
import type { Pool } from 'pg';
import { type Contender, contest, type Rounds, type Standing } from '../contest.js';
import { nanoseconds, number, times } from '../format.js';
import { issuingRate } from '../ids/issuing-rate.js';
import type { Figure, Suite, SuiteResult } from '../suite.js';

const EPOCH_MS = Date.UTC(2024, 0, 1);
/** Of the layout: 12 bits of sequence. */
const LIMIT_PER_MS = 4_096;
const THREADS = 2;
type Bars = SuiteResult['bars'];

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
    const bars: Bars = [];
    // Most of a millisecond is waited away and not counted: 20 ms are some 500 bursts, and half a second.
    const rounds = options.quick ? { rounds: 2, roundMs: 5 } : { rounds: 9, roundMs: 20 };
    await compareMakers(zm, rounds, figures, bars);
    await compareFew(zm, rounds, figures);
    await compareUsed(zm, rounds, figures);
    await measureLimit(pool, options.quick, figures, bars);
    return { title: 'Ids: as text, in bursts at the beginning of a millisecond', figures, bars };
  },
};

async function compareMakers(zm: ZMsg, rounds: Rounds, figures: Figure[], bars: Bars): Promise<void> {
  const makers = peers();
  const standings = await contest(
    [
      burst('Date.now()', 500, () => Date.now()),
      burst("nextId('feed')", 500, () => zm.nextId('feed')),
      burst('nextId of two prefixes in turn', 500, (n) => zm.nextId(n & 1 ? 'feed' : 'tag')),
      ...makers.map(({ name, make }) => burst(name, 500, make)),
    ],
    rounds,
  );
  figures.push(...standings.map((standing) => figure(standing, '500 per ms')));
  const [clock, ours, , node, sapphire] = standings as [Standing, Standing, Standing, Standing, Standing];
  bars.push({
    name: 'nextId against Date.now()',
    target: '≤ 1.5 ×',
    measured: times(ours.nsPerOp / clock.nsPerOp),
    met: ours.nsPerOp <= 1.5 * clock.nsPerOp,
  });
  // hyperid's are no 64-bit ids, so it is not in the race.
  const ratio = Math.min(node.nsPerOp, sapphire.nsPerOp) / ours.nsPerOp;
  bars.push({
    name: 'nextId against the faster of the two snowflakes',
    target: '≥ 2 ×',
    measured: times(ratio),
    met: ratio >= 2,
  });
}

async function compareFew(zm: ZMsg, rounds: Rounds, figures: Figure[]): Promise<void> {
  for (const operations of [100, 10]) {
    const standings = await contest(
      [
        burst('Date.now()', operations, () => Date.now()),
        burst("nextId('feed')", operations, () => zm.nextId('feed')),
        ...peers().map(({ name, make }) => burst(name, operations, make)),
      ],
      { ...rounds, roundMs: (rounds.roundMs * operations) / 500 },
    );
    figures.push(...standings.map((standing) => figure(standing, `${operations} per ms`)));
  }
}

/**
 * V8 joins strings lazily: the first who reads the characters of an id pays for putting it together.
 * So here the characters of every maker's ids are read.
 */
async function compareUsed(zm: ZMsg, rounds: Rounds, figures: Figure[]): Promise<void> {
  const read = (id: string) => id.charCodeAt(id.length - 1);
  const standings = await contest(
    [
      burst("nextId('feed')", 500, () => read(zm.nextId('feed'))),
      ...peers().map(({ name, make }) => burst(name, 500, () => read(make()))),
    ],
    rounds,
  );
  figures.push(...standings.map((standing) => figure(standing, '500 per ms, and its characters read')));
}

async function measureLimit(pool: Pool, quick: boolean, figures: Figure[], bars: Bars): Promise<void> {
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
    rates.sort((a, b) => a - b);
    const median = rates[rates.length >> 1] as number;
    figures.push({
      name: `${THREADS} threads attached to one generator, all they can`,
      value: `${number(median)} per ms`,
      note: `${number(rates[0] as number)} to ${number(rates.at(-1) as number)}, on ${number(processors)} processors`,
    });
    bars.push({
      name: `nextId of ${THREADS} threads, of the 4,096 per ms`,
      target: '≥ 0.95',
      measured: number(median / LIMIT_PER_MS),
      met: median >= 0.95 * LIMIT_PER_MS,
    });
  } finally {
    await generator.close();
  }
}

interface Maker {
  name: string;
  make: () => string;
}

/** Each as its documentation recommends, made into the text that an id is as a key or in JSON. */
function peers(): [Maker, Maker, Maker] {
  const sapphire = new SapphireSnowflake(new Date(EPOCH_MS));
  const node = new NodeSnowflake({ custom_epoch: EPOCH_MS, instance_id: 7 });
  const hyper = hyperid();
  return [
    { name: 'nodejs-snowflake', make: () => node.getUniqueID().toString() },
    { name: '@sapphire/snowflake', make: () => sapphire.generate().toString() },
    { name: 'hyperid (no 64-bit ids)', make: hyper },
  ];
}

function burst(name: string, operations: number, make: (n: number) => string | number): Contender {
  let sink: string | number = 0;
  return {
    name,
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

function figure({ name, nsPerOp, spread }: Standing, how: string): Figure {
  return { name: `${name}, ${how}`, value: nanoseconds(nsPerOp), note: `spread ${spread.toFixed(2)}` };
}
