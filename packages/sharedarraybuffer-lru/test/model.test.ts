import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { SharedLRU } from '../dist/index.js';

const RUNS = Number(process.env.SHARED_LRU_MODEL_RUNS ?? 150);

type Command =
  | { kind: 'set' | 'fill'; key: number; bytes: number; ttl: number | undefined }
  | { kind: 'get' | 'delete' | 'token'; key: number }
  | { kind: 'advance'; ms: number }
  | { kind: 'clear' };

const TTLS = [undefined, undefined, Number.POSITIVE_INFINITY, 1, 5, 50, 1000, 0.5];

function commands(keys: number, maxBytes: number): fc.Arbitrary<Command[]> {
  const key = fc.nat({ max: keys - 1 });
  const bytes = fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: Math.min(300, maxBytes) }) },
    { weight: 2, arbitrary: fc.nat({ max: maxBytes }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 3, 4, 5, maxBytes, maxBytes + 1) },
  );
  const ttl = fc.constantFrom(...TTLS);
  const write = fc.record({ kind: fc.constantFrom('set' as const, 'fill' as const), key, bytes, ttl });
  return fc.array(
    fc.oneof(
      { weight: 12, arbitrary: write },
      {
        weight: 12,
        arbitrary: fc.record({
          kind: fc.constantFrom('get' as const, 'delete' as const, 'token' as const),
          key,
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat({ max: 60 }) }) },
      {
        weight: 0.1 * 10,
        arbitrary: fc.constantFrom<Command>({ kind: 'clear' }, { kind: 'advance', ms: 1 }),
      },
    ),
    { minLength: 50, maxLength: 600, size: 'max' },
  );
}

function bytesOf(command: number, bytes: number): Buffer {
  const value = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 1) value[i] = (Math.imul(command + 1, 31) + i * 7) & 255;
  return value;
}

/** Names of very different lengths, up to 512 bytes. */
function nameOf(key: number): string {
  return `${key}${key % 7 === 0 ? '–ä😀'.repeat(key % 50) : ''}${key % 11 === 0 ? 'x'.repeat(key % 61) : ''}`;
}

interface Expected {
  value: Buffer;
  expiresAt: number;
}

/** Runs the commands on a cache and on a Map; returns how often an entry was gone that nobody removed. */
function compare(sequence: Command[], maxBytes: number, maxValueBytes: number, mayEvict: boolean): void {
  let now = 1_700_000_000_000;
  const clock = (): number => now;
  const cache = SharedLRU.create({ maxBytes, maxValueBytes, clock });
  const other = SharedLRU.attach(cache.handle, { clock });
  const model = new Map<number, Expected>();
  const writes = new Map<number, number>();
  const tokens = new Map<number, { token: number; writes: number }>();
  let hits = 0;
  let misses = 0;
  let refused = 0;
  const current = (key: number): Expected | undefined => {
    const entry = model.get(key);
    return entry !== undefined && entry.expiresAt > now ? entry : undefined;
  };
  const wrote = (key: number): void => {
    writes.set(key, (writes.get(key) ?? 0) + 1);
  };
  for (const [i, command] of sequence.entries()) {
    const side = i % 3 === 0 ? other : cache;
    if (command.kind === 'advance') {
      now += command.ms;
      continue;
    }
    if (command.kind === 'clear') {
      side.clear();
      model.clear();
      for (const key of tokens.keys()) wrote(key);
      expect(side.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
      continue;
    }
    const name = nameOf(command.key);
    if (command.kind === 'token') {
      tokens.set(command.key, { token: side.fillToken(name), writes: writes.get(command.key) ?? 0 });
    } else if (command.kind === 'set') {
      const value = bytesOf(i, command.bytes);
      const stored = side.set(name, value, { ttl: command.ttl });
      expect(stored).toBe(command.bytes <= maxValueBytes);
      wrote(command.key);
      if (stored) {
        model.set(command.key, { value, expiresAt: now + (command.ttl ?? Number.POSITIVE_INFINITY) });
        expect(cache.has(name)).toBe(true);
      } else {
        refused += 1;
        model.delete(command.key);
        expect(cache.has(name)).toBe(false);
      }
    } else if (command.kind === 'fill') {
      const taken = tokens.get(command.key);
      if (taken === undefined) continue;
      const value = bytesOf(i, command.bytes);
      const stored = side.fill(name, value, taken.token, { ttl: command.ttl });
      if (stored) {
        expect(taken.writes).toBe(writes.get(command.key) ?? 0);
        expect(command.bytes).toBeLessThanOrEqual(maxValueBytes);
        model.set(command.key, { value, expiresAt: now + (command.ttl ?? Number.POSITIVE_INFINITY) });
        expect(cache.has(name)).toBe(true);
      } else if (command.bytes > maxValueBytes && taken.token === side.fillToken(name)) {
        refused += 1;
      }
    } else if (command.kind === 'delete') {
      const expected = current(command.key);
      const deleted = side.delete(name);
      if (expected === undefined) expect(deleted).toBe(false);
      else if (!mayEvict) expect(deleted).toBe(true);
      wrote(command.key);
      model.delete(command.key);
      expect(cache.has(name)).toBe(false);
    } else {
      const expected = current(command.key);
      const left = side.remainingTtl(name);
      const value = side.get(name);
      if (value === undefined) misses += 1;
      else hits += 1;
      expect(left === undefined).toBe(value === undefined);
      if (expected === undefined || (value === undefined && mayEvict)) {
        expect(value).toBeUndefined();
        continue;
      }
      expect(value?.equals(expected.value)).toBe(true);
      expect(left).toBe(expected.expiresAt - now);
    }
  }
  expect(checkStructure(cache.handle)).toEqual([]);
  expect(cache.handle.buffer.byteLength).toBeLessThanOrEqual(maxBytes);
  other.stats();
  const stats = cache.stats();
  expect(stats).toMatchObject({ hits, misses, refused, repairs: 0, maxBytes });
  expect(stats.usedBytes).toBeLessThanOrEqual(maxBytes);
  const present = new Map([...model].filter(([key]) => current(key)).map(([key]) => [nameOf(key), key]));
  const names = [...cache.keys()];
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(present.has(name)).toBe(true);
  if (!mayEvict) {
    expect(names.length).toBe(present.size);
    expect(stats.evictions).toBe(0);
  }
}

const MATRIX = [
  { maxBytes: 16 << 10, keys: 40, maxValueBytes: 1500, mayEvict: true },
  { maxBytes: 16 << 10, keys: 400, maxValueBytes: 300, mayEvict: true },
  { maxBytes: 20_001, keys: 12, maxValueBytes: 4000, mayEvict: true },
  { maxBytes: 64 << 10, keys: 5, maxValueBytes: 10_000, mayEvict: true },
  { maxBytes: 600 << 10, keys: 300, maxValueBytes: 30_000, mayEvict: true },
  { maxBytes: 64 << 10, keys: 12, maxValueBytes: 1000, mayEvict: false },
  { maxBytes: 1 << 20, keys: 30, maxValueBytes: 2000, mayEvict: false },
];

test.for(MATRIX)('any sequence of calls agrees with a Map: %o', (size) => {
  fc.assert(
    fc.property(commands(size.keys, size.maxValueBytes), (sequence) => {
      compare(sequence, size.maxBytes, size.maxValueBytes, size.mayEvict);
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false, endOnFailure: true },
  );
});
