import fc from 'fast-check';
import { test } from 'vitest';
import { KeyProbe } from '../dist/key-probe.js';
import { CacheModel, type Command, type ModelOptions } from './cache-model.js';

/** Sequences for each row of the matrix. */
const RUNS = Number(process.env.SHARED_LRU_MODEL_RUNS ?? 50);
const TIMEOUT_MS = 60_000 + RUNS * 200;

const TTLS = [undefined, undefined, undefined, Number.POSITIVE_INFINITY, 1, 5, 50, 1000, 0.5];

function commandsOf(keys: number, { maxValueBytes, mayEvict }: ModelOptions): fc.Arbitrary<Command[]> {
  const key = fc.oneof(fc.nat({ max: keys - 1 }), fc.nat({ max: Math.min(3, keys - 1) }));
  const side = fc.nat({ max: 2 });
  const bytes = fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: Math.min(300, maxValueBytes) }) },
    { weight: 2, arbitrary: fc.nat({ max: maxValueBytes }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 3, 4, 5, 47, 48, 49, 1023, 1024, 1025) },
    { weight: 1, arbitrary: fc.constantFrom(maxValueBytes, maxValueBytes + 1, maxValueBytes * 2 + 1) },
  );
  const ttl = fc.constantFrom(...TTLS);
  const is = <K extends Command['kind']>(kind: K) => fc.constant(kind);
  return fc.array(
    fc.oneof(
      { weight: 24, arbitrary: fc.record({ kind: is('set'), side, key, bytes, ttl }) },
      { weight: 4, arbitrary: fc.record({ kind: is('token'), side, key }) },
      {
        weight: 8,
        arbitrary: fc.record({ kind: is('fill'), side, key, token: fc.nat({ max: 1000 }), bytes, ttl }),
      },
      // Five reads bring a key near.
      {
        weight: 16,
        arbitrary: fc.record({ kind: is('get'), side, key, times: fc.constantFrom(1, 1, 2, 5, 6) }),
      },
      { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('delete', 'look'), side, key }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('keys', 'stats', 'attach'), side }) },
      { weight: 1, arbitrary: fc.record({ kind: is('clear'), side }) },
      // A clock may also be set back. An entry that had gone by then stays away: only where one may.
      {
        weight: 4,
        arbitrary: fc.record({ kind: is('advance'), ms: fc.integer({ min: mayEvict ? -20 : 0, max: 60 }) }),
      },
    ),
    { minLength: 20, maxLength: 500, size: 'max' },
  );
}

function check(commands: readonly Command[], options: ModelOptions): void {
  const model = new CacheModel(options);
  for (const command of commands) model.run(command);
  model.finish();
}

function holds<T>(arbitrary: fc.Arbitrary<T>, predicate: (value: T) => void, numRuns = RUNS): void {
  fc.assert(fc.property(arbitrary, predicate), { numRuns, endOnFailure: true });
}

const MATRIX = [
  { keys: 40, maxBytes: 16 << 10, maxValueBytes: 1500, mayEvict: true },
  { keys: 400, maxBytes: 16 << 10, maxValueBytes: 300, counters: 1, bufferItems: 1, mayEvict: true },
  { keys: 12, maxBytes: 20_001, maxValueBytes: 4000, bufferItems: 5, mayEvict: true },
  { keys: 30, maxBytes: 16 << 10, maxValueBytes: 0, mayEvict: true },
  { keys: 5, maxBytes: 64 << 10, maxValueBytes: 10_000, counters: 1 << 30, mayEvict: true },
  { keys: 300, maxBytes: 600 << 10, maxValueBytes: 30_000, bufferItems: 1000, mayEvict: true },
  { keys: 30, maxBytes: 4 << 20, maxValueBytes: 200_000, mayEvict: true },
  { keys: 12, maxBytes: 64 << 10, maxValueBytes: 1000, bufferItems: 2, mayEvict: false },
  { keys: 30, maxBytes: 1 << 20, maxValueBytes: 2000, mayEvict: false },
];

test.for(MATRIX)(
  'any sequence of calls on three handles agrees with the reference: %o',
  { timeout: TIMEOUT_MS },
  ({ keys, ...options }) => {
    holds(commandsOf(keys, options), (commands) => check(commands, options));
  },
);

test('any sequence of calls agrees with the reference, whatever the options', { timeout: TIMEOUT_MS }, () => {
  const options = fc
    .record({
      maxBytes: fc.oneof(
        fc.integer({ min: 16 << 10, max: 40_000 }),
        fc.integer({ min: 16 << 10, max: 2 << 20 }),
      ),
      share: fc.double({ min: 0, max: 0.15, noNaN: true }),
      counters: fc.option(fc.integer({ min: 1, max: 1 << 20 }), { nil: undefined }),
      bufferItems: fc.integer({ min: 1, max: 300 }),
    })
    .map(({ maxBytes, share, counters, bufferItems }) => ({
      maxBytes,
      maxValueBytes: Math.floor(maxBytes * share),
      bufferItems,
      mayEvict: true,
      ...(counters === undefined ? {} : { counters }),
    }));
  const sequence = options.chain((chosen) =>
    fc.tuple(
      fc.constant(chosen),
      fc.nat({ max: 200 }).chain((keys) => commandsOf(keys + 1, chosen)),
    ),
  );
  holds(sequence, ([chosen, commands]) => check(commands, chosen), RUNS * 2);
});

/** Hashes of so many values only. Both halves of one key come from the same weak hash. */
test.for([1, 2, 40])(
  'keys that collide agree with the reference: %d different hashes',
  { timeout: TIMEOUT_MS },
  (hashes) => {
    const { load, loadBytes } = KeyProbe.prototype;
    const weaken = (key: KeyProbe): void => {
      key.h1 = Math.imul((key.h1 >>> 0) % hashes, 0x9e3779b1);
      key.h2 = Math.imul(key.h1, 0x85ebca77);
    };
    KeyProbe.prototype.load = function (key) {
      load.call(this, key);
      weaken(this);
    };
    KeyProbe.prototype.loadBytes = function (source, from, byteLength) {
      loadBytes.call(this, source, from, byteLength);
      weaken(this);
    };
    try {
      const options = { maxBytes: 32 << 10, maxValueBytes: 500, mayEvict: true };
      holds(commandsOf(40, options), (commands) => check(commands, options));
    } finally {
      Object.assign(KeyProbe.prototype, { load, loadBytes });
    }
  },
);
