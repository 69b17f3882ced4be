import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { type Failpoint, onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { isLinearizable, type Operation } from './linearizability.js';
import { describe, randomFrom, read } from './traffic.mjs';

const RUNS = Number(process.env.SHARED_LRU_MODEL_RUNS ?? 50) * 20;
const TIMEOUT_MS = 60_000 + RUNS * 200;

/** What other threads may do while a write is at work is what takes no lock: reads, and tokens. */
interface Write {
  kind: 'set' | 'refused' | 'delete' | 'clear' | 'fill' | 'other';
  key: number;
  length: number;
  /** Chooses the reads at each step. */
  seed: number;
}

const KEYS = 2;
const WRITER = 0;
const READERS = [1, 2];
const TOO_LARGE = Buffer.alloc(1 << 20);

/**
 * One thread writes, and at each step of each write two other handles read: every way in which reads meet
 * a write, as far as the steps go, without the luck that threads need. Each handle has its near table.
 */
class Scene {
  readonly #caches: SharedLRU[];
  readonly #histories: Operation[][] = Array.from({ length: KEYS }, () => []);
  /** Of each reader and key, when it has one. */
  readonly #tokens = new Map<string, number>();
  #stamp = 0;
  #id = 0;

  constructor() {
    const cache = SharedLRU.create({ maxBytes: 16 << 10, counters: 128 });
    this.#caches = [cache, ...READERS.map(() => SharedLRU.attach(cache.handle))];
  }

  write({ kind, key, length, seed }: Write): void {
    const random = randomFrom(seed);
    const cache = this.#caches[WRITER] as SharedLRU;
    const name = `key-${key}`;
    this.#id += 1;
    const id = this.#id;
    const invoked = this.#stamp++;
    onFailpoint((point: Failpoint) => {
      // Most writes have a handful of steps, some have hundreds: those that move many records.
      if (point === 'vacated' || point === 'dropped' ? random(8) === 0 : true) this.#read(random);
    });
    try {
      if (kind === 'set') {
        cache.set(name, describe(key, WRITER, id, length));
        this.#record(key, { thread: WRITER, kind, invoked, value: id });
      } else if (kind === 'refused') {
        cache.set(name, TOO_LARGE);
        this.#record(key, { thread: WRITER, kind, invoked });
      } else if (kind === 'delete') {
        const present = cache.delete(name);
        this.#record(key, { thread: WRITER, kind, invoked, present });
      } else if (kind === 'clear') {
        cache.clear();
        for (let each = 0; each < KEYS; each += 1) this.#record(each, { thread: WRITER, kind, invoked });
      } else if (kind === 'fill') {
        const thread = READERS[random(2)] as number;
        const token = this.#tokens.get(`${thread} ${key}`);
        const filling = this.#caches[thread] as SharedLRU;
        // Its own handle is busy: it does not read meanwhile.
        onFailpoint(undefined);
        if (token === undefined || !filling.fill(name, describe(key, WRITER, id, length), token)) return;
        this.#record(key, { thread, kind, invoked, value: id });
      } else {
        cache.set(`other-${seed % 60}`, describe(9, WRITER, id, length));
      }
    } finally {
      onFailpoint(undefined);
      this.#read(random);
    }
  }

  check(): void {
    for (const history of this.#histories) {
      if (!isLinearizable(history)) expect.fail(history.map((call) => JSON.stringify(call)).join('\n'));
    }
    expect(checkStructure((this.#caches[0] as SharedLRU).handle)).toEqual([]);
  }

  #read(random: (below: number) => number): void {
    for (const thread of READERS) {
      const key = random(KEYS);
      const cache = this.#caches[thread] as SharedLRU;
      const name = `key-${key}`;
      const choice = random(10);
      const invoked = this.#stamp++;
      if (choice === 0) {
        this.#tokens.set(`${thread} ${key}`, cache.fillToken(name));
        this.#record(key, { thread, kind: 'token', invoked });
      } else if (choice === 1) {
        if (cache.has(name)) this.#record(key, { thread, kind: 'has', invoked });
      } else if (choice < 8) {
        const value = cache.get(name);
        if (value !== undefined)
          this.#record(key, { thread, kind: 'get', invoked, value: read(key, value).sequence });
      }
    }
  }

  #record(key: number, call: Omit<Operation, 'returned'>): void {
    this.#histories[key]?.push({ ...call, returned: this.#stamp++ });
  }
}

test('reads at each step of each write make a linearizable history', { timeout: TIMEOUT_MS }, () => {
  const write: fc.Arbitrary<Write> = fc.record({
    kind: fc.constantFrom(
      'set',
      'set',
      'set',
      'set',
      'refused',
      'delete',
      'clear',
      'fill',
      'fill',
      'other',
      'other',
      'other',
    ),
    key: fc.nat({ max: KEYS - 1 }),
    length: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 1500 })),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(write, { minLength: 10, maxLength: 120, size: 'max' }), (writes) => {
      const scene = new Scene();
      for (const each of writes) scene.write(each);
      scene.check();
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

test('a key that is overwritten or moved has its one value or the other at each step, and never none', () => {
  const cache = SharedLRU.create({ maxBytes: 64 << 10 });
  const reader = SharedLRU.attach(cache.handle);
  const versions = new Int32Array(40);
  const wrong: string[] = [];
  let moves = 0;
  for (let key = 0; key < versions.length; key += 1) cache.set(`key-${key}`, describe(key, 0, 0, 200));
  for (let i = 0; i < 3000; i += 1) {
    // One key is written most of the time: the others are moved out of the way.
    const key = i % 10 === 0 ? (i / 10) % versions.length : 0;
    const before = versions[key] as number;
    onFailpoint((point) => {
      if (point === 'moved') moves += 1;
      for (let other = 0; other < versions.length; other += 1) {
        const value = reader.get(`key-${other}`);
        const version = value === undefined ? -1 : read(other, value).sequence;
        if (version !== versions[other] && !(other === key && version === i)) {
          wrong.push(`${version} of key ${other} at ${point} of ${i}, after ${before}`);
        }
      }
    });
    cache.set(`key-${key}`, describe(key, 0, i, 200));
    onFailpoint(undefined);
    versions[key] = i;
  }
  expect(wrong).toEqual([]);
  expect(moves).toBeGreaterThan(100);
  expect(cache.stats().evictions).toBe(0);
});
