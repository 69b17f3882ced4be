import { beforeAll, expect, test } from 'vitest';
import { generatedLoads } from '../dist/hit-ratio/generated-loads.js';
import type { Load } from '../dist/hit-ratio/load.js';
import { Lru } from '../dist/hit-ratio/policies/lru.js';
import { S3Fifo } from '../dist/hit-ratio/policies/s3-fifo.js';
import { playOnSharedLru, type SharedLruRoom, sharedLruRoom } from '../dist/hit-ratio/shared-lru-room.js';

const ENTRIES = 512;
/** Points: the hash of a cache has a seed of its own, and the policy learns from a short load. */
const MARGIN = 1.5;

let loads: Load[];
let room: SharedLruRoom;

beforeAll(() => {
  loads = generatedLoads(200_000);
  room = sharedLruRoom(ENTRIES);
});

function percents(name: string): { shared: number; lru: number; s3Fifo: number; held: number } {
  const load = loads.find((each) => each.name === name) as Load;
  const percent = (hits: number) => (100 * hits) / load.accesses.length;
  const play = (policy: Lru | S3Fifo) =>
    load.accesses.reduce((hits, key) => hits + Number(policy.access(key)), 0);
  const { hits, held } = playOnSharedLru(load, room);
  return {
    shared: percent(hits),
    lru: percent(play(new Lru(load.keys, ENTRIES))),
    s3Fifo: percent(play(new S3Fifo(load.keys, ENTRIES))),
    held,
  };
}

test.each(['recency', 'sliding set', 'phases', 'loops'])('on %s the cache is not behind LRU', (name) => {
  const { shared, lru, held } = percents(name);
  expect(shared).toBeGreaterThan(lru - MARGIN);
  expect(held).toBeLessThanOrEqual(ENTRIES * 1.02);
});

test.each(['Zipf with churn', 'Zipf with scans'])(
  'on %s the cache is near S3-FIFO, well above LRU',
  (name) => {
    const { shared, lru, s3Fifo } = percents(name);
    expect(shared).toBeGreaterThan(lru + 4);
    expect(shared).toBeGreaterThan(s3Fifo - 2 * MARGIN);
  },
);

test('where S3-FIFO is behind LRU, the cache is not', () => {
  const { shared, s3Fifo } = percents('recency');
  expect(shared).toBeGreaterThan(s3Fifo + 3);
});

test('a loop that is longer than the cache leaves most of what is there alone', () => {
  const accesses = Uint32Array.from({ length: 200_000 }, (_, at) => at % 600);
  const { hits } = playOnSharedLru({ name: 'loop', accesses, keys: 600 }, room);
  expect(hits).toBeGreaterThan(accesses.length / 3);
});
