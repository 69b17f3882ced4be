import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadOf } from '../dist/hit-ratio/load.js';
import { beladyHits } from '../dist/hit-ratio/policies/belady.js';
import { Fifo } from '../dist/hit-ratio/policies/fifo.js';
import { Lru } from '../dist/hit-ratio/policies/lru.js';
import type { Policy, PolicyMaker } from '../dist/hit-ratio/policies/policy.js';
import { S3Fifo } from '../dist/hit-ratio/policies/s3-fifo.js';
import { Sieve } from '../dist/hit-ratio/policies/sieve.js';
import { WTinyLfu } from '../dist/hit-ratio/policies/w-tiny-lfu.js';

const POLICIES: [string, PolicyMaker][] = [
  ['FIFO', Fifo],
  ['LRU', Lru],
  ['SIEVE', Sieve],
  ['S3-FIFO', S3Fifo],
  ['W-TinyLFU', WTinyLfu],
];

const loads = fc
  .array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 400 })
  .map((keys) => loadOf('random', keys, keys.length));
const rooms = fc.integer({ min: 1, max: 24 });

/** Oldest first. */
class Naive implements Policy {
  readonly #keys: number[] = [];
  readonly #room: number;
  readonly #movesHits: boolean;

  constructor(room: number, movesHits: boolean) {
    this.#room = room;
    this.#movesHits = movesHits;
  }

  access(key: number): boolean {
    const at = this.#keys.indexOf(key);
    if (at >= 0 && !this.#movesHits) return true;
    if (at >= 0) this.#keys.splice(at, 1);
    else if (this.#keys.length === this.#room) this.#keys.shift();
    this.#keys.push(key);
    return at >= 0;
  }
}

const answers = (policy: Policy, accesses: Uint32Array) => Array.from(accesses, (key) => policy.access(key));
const hitsOf = (policy: Policy, accesses: Uint32Array) => answers(policy, accesses).filter(Boolean).length;

test.each([
  ['LRU', Lru, true],
  ['FIFO', Fifo, false],
] as const)('%s answers each access as a plain list does', (_name, Policy, movesHits) => {
  fc.assert(
    fc.property(loads, rooms, ({ accesses, keys }, room) => {
      expect(answers(new Policy(keys, room), accesses)).toEqual(
        answers(new Naive(room, movesHits), accesses),
      );
    }),
  );
});

/** The most hits of any order of evictions, found by trying all of them. */
function mostHits(accesses: number[], room: number): number {
  let states = new Map<string, number>([['', 0]]);
  for (const key of accesses) {
    const next = new Map<string, number>();
    const reach = (cached: number[], hits: number) => {
      const state = cached.sort((a, b) => a - b).join();
      next.set(state, Math.max(next.get(state) ?? 0, hits));
    };
    for (const [state, hits] of states) {
      const cached = state === '' ? [] : state.split(',').map(Number);
      if (cached.includes(key)) reach(cached, hits + 1);
      else if (cached.length < room) reach([...cached, key], hits);
      else for (const victim of cached) reach([...cached.filter((other) => other !== victim), key], hits);
    }
    states = next;
  }
  return Math.max(...states.values());
}

test('the optimum is the best of all orders of evictions', () => {
  const few = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(few, fc.integer({ min: 1, max: 4 }), (keys, room) => {
      expect(beladyHits(loadOf('few', keys, keys.length), room)).toBe(mostHits(keys, room));
    }),
  );
});

describe.each(POLICIES)('%s', (_name, Policy) => {
  test('never has more hits than the optimum', () => {
    fc.assert(
      fc.property(loads, rooms, (load, room) => {
        expect(hitsOf(new Policy(load.keys, room), load.accesses)).toBeLessThanOrEqual(
          beladyHits(load, room),
        );
      }),
    );
  });

  test('misses only what is new when everything fits', () => {
    fc.assert(
      fc.property(loads, (load) => {
        // A tenth and a hundredth of the room are for keys that were not hit yet.
        const hits = hitsOf(new Policy(load.keys, 20 * load.keys), load.accesses);
        expect(hits).toBe(load.accesses.length - load.keys);
      }),
    );
  });
});
