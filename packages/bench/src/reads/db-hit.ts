import { join } from 'node:path';
import { ZMsg } from '@zmsg/core';
import bloomFilters from 'bloom-filters';
import { atLeast } from '../bar.js';
import { type Contender, contest, ratioOf } from '../contest.js';
import { number } from '../format.js';
import type { Bar, Contest } from '../result.js';
import type { Stage } from '../stage.js';
import type { SuiteOptions } from '../suite.js';
import { bloomRead } from './nodes.js';

const ERROR_RATE = 0.01;
/** Of the absent keys that may pass: chance adds to the rate that the filters were made for. */
const HIGHEST_RATE = 0.015;
const ABSENT = 10_000;
const LOOP = 200;
const DB_HIT = 'await dbHit';
const HAS = 'bloom-filters has';

/** Both filters are full: as many keys as they were made for. One node, whose filter decides alone. */
export async function compareDbHit(stage: Stage, options: SuiteOptions, bars: Bar[]): Promise<Contest[]> {
  const capacity = options.quick ? 20_000 : 1_000_000;
  const known = Array.from({ length: capacity }, (_, n) => `known_${n}`);
  const absent = Array.from({ length: ABSENT }, (_, n) => `absent_${n}`);
  const filter = bloomFilters.BloomFilter.create(capacity, ERROR_RATE);
  for (const key of known) filter.add(key);
  const zm = await ZMsg.open({
    postgresDsn: stage.dsn,
    dataDir: join(stage.dir, 'db-hit'),
    batchShards: 1,
    bloomCapacity: capacity,
    bloomErrorRate: ERROR_RATE,
    logLevel: 'error',
  });
  try {
    await zm.announce(known);
    await bloomRead(zm);
    await verify(DB_HIT, known, absent, (key) => zm.dbHit(key));
    await verify(HAS, known, absent, (key) => filter.has(key));
    await bloomRead(stage.zm);
    const compare = (which: string, keys: readonly string[], more: readonly Contender[] = []) => {
      const next = cycle(keys);
      const mayPass = which === 'absent';
      const check = (mayExist: boolean) => {
        if (!mayExist && !mayPass) throw new Error('a key that exists was denied');
      };
      const dbHit: Contender = {
        name: DB_HIT,
        does: 'from the filter in shared memory',
        ours: true,
        operations: LOOP,
        run: async () => {
          for (let n = 0; n < LOOP; n++) check(await zm.dbHit(next()));
        },
      };
      const has: Contender = {
        name: HAS,
        does: 'from a filter on the heap of this thread',
        operations: LOOP,
        run: () => {
          for (let n = 0; n < LOOP; n++) check(filter.has(next()));
        },
      };
      return contest([dbHit, ...more, has], {
        ...options,
        id: `reads.dbHit.${which}`,
        title: `Whether a key may exist: ${which}, ${number(capacity)} keys at ${ERROR_RATE} (no false negative)`,
      });
    };
    const next = cycle(absent);
    const ofFleet: Contender = {
      name: 'await dbHit, with Redis',
      does: 'Redis was asked what other nodes have written',
      ours: true,
      operations: 1,
      run: async () => {
        await stage.zm.dbHit(next());
      },
    };
    const contests = [await compare('known', known), await compare('absent', absent, [ofFleet])];
    const ratio = Math.min(...contests.map((each) => ratioOf(each, HAS, DB_HIT)));
    bars.push(atLeast('reads.dbHit', 'awaited dbHit against bloom-filters, known or absent', ratio, 30));
    return contests;
  } finally {
    await zm.close();
  }
}

function cycle(keys: readonly string[]): () => string {
  let at = 0;
  return () => {
    at = (at + 7919) % keys.length;
    return keys[at] as string;
  };
}

async function verify(
  name: string,
  known: readonly string[],
  absent: readonly string[],
  has: (key: string) => boolean | Promise<boolean>,
): Promise<void> {
  for (const key of known) if (!(await has(key))) throw new Error(`${name} denies ${key}, which exists`);
  let passed = 0;
  for (const key of absent) if (await has(key)) passed += 1;
  if (passed / absent.length > HIGHEST_RATE) throw new Error(`${name}: ${passed} absent keys pass`);
}
