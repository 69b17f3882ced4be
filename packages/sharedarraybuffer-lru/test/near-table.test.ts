import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SharedLRU } from '../dist/index.js';

/** Two views of one cache stand for two threads: each has a near table of its own. */
function twoViews() {
  let now = 1_000;
  const clock = () => now;
  const a = SharedLRU.create({ maxBytes: 256 * 1024, clock });
  const b = SharedLRU.attach(a.handle, { clock });
  return { a, b, advance: (ms: number) => (now += ms) };
}

/** Reads often enough for the key to be near. */
function bringNear(cache: SharedLRU, key: string): void {
  for (let n = 0; n < 8; n++) cache.get(key);
}

const text = (value: Buffer | undefined) => value?.toString();

test('what another thread writes, deletes or clears is seen by the next read of a near key', () => {
  const { a, b } = twoViews();
  a.set('k', Buffer.from('one'));
  bringNear(a, 'k');
  b.set('k', Buffer.from('two'));
  expect(text(a.get('k'))).toBe('two');
  bringNear(a, 'k');
  b.delete('k');
  expect(a.get('k')).toBeUndefined();
  b.set('k', Buffer.from('three'));
  bringNear(a, 'k');
  b.clear();
  expect(a.get('k')).toBeUndefined();
  b.fill('k', Buffer.from('four'), b.fillToken('k'));
  expect(text(a.get('k'))).toBe('four');
});

test('a near entry ends to the millisecond', () => {
  const { a, advance } = twoViews();
  a.set('k', Buffer.from('v'), { ttl: 100 });
  bringNear(a, 'k');
  advance(99);
  expect(text(a.get('k'))).toBe('v');
  advance(1);
  expect(a.get('k')).toBeUndefined();
});

test('near hits are counted as hits', () => {
  const { a } = twoViews();
  a.set('k', Buffer.from('v'));
  for (let n = 0; n < 500; n++) a.get('k');
  expect(a.stats()).toMatchObject({ hits: 500, misses: 0 });
});

test('values of all sizes come back whole, near or not, while others push them out', () => {
  const sizes = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 1_500 })), {
    minLength: 50,
    maxLength: 400,
  });
  fc.assert(
    fc.property(sizes, (writes) => {
      const { a, b } = twoViews();
      const latest = new Map<string, Buffer>();
      for (const [n, [id, size]] of writes.entries()) {
        const key = `key:${id}`;
        const value = Buffer.alloc(size, n);
        (n % 2 === 0 ? a : b).set(key, value);
        latest.set(key, value);
        for (const [known, expected] of latest) {
          const found = a.get(known);
          if (found !== undefined && !found.equals(expected)) return false;
        }
        bringNear(a, key);
      }
      return true;
    }),
    { numRuns: 30 },
  );
});
