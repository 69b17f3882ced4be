import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IdCell } from '../dist/ids/id-cell.js';
import { IdGenerator } from '../dist/ids/id-generator.js';
import { IdIssuer } from '../dist/ids/id-issuer.js';
import { parseId } from '../dist/ids/parse-id.js';
import type { Store } from '../dist/store/store.js';
import { EPOCH_MS, engineStore, SteppedClock } from './ids-fixture.js';

let store: Store;
beforeAll(async () => {
  store = await engineStore();
});
afterAll(() => store.close());

const granted = (clock: SteppedClock, grant: { node?: number; limitMs?: number } = {}) => {
  const cell = IdCell.create(EPOCH_MS);
  const limitMs = clock.wallMs - EPOCH_MS + (grant.limitMs ?? 1e12);
  cell.grant({ node: grant.node ?? 7, startMs: 0, limitMs, deadlineMs: 1e12 });
  return { cell, issuer: new IdIssuer(cell, clock) };
};

/** Strictly: no two are equal either. */
function isAscending(numbers: BigInt64Array): boolean {
  let last = -1n;
  for (const number of numbers) {
    if (number <= last) return false;
    last = number;
  }
  return true;
}

test('an id parses back to the moment, node and sequence it was made of', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 41 - 2 }),
      fc.integer({ min: 0, max: 1023 }),
      fc.integer({ min: 1, max: 5000 }),
      fc.option(fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }), { nil: undefined }),
      (ms, node, count, prefix) => {
        fc.pre(!prefix?.includes('\0'));
        const clock = new SteppedClock(EPOCH_MS + ms);
        const cell = IdCell.create(EPOCH_MS);
        cell.grant({ node, startMs: 0, limitMs: 2 ** 41 + 100, deadlineMs: 1e12 });
        const issuer = new IdIssuer(cell, clock);
        for (let n = 0; n < count; n++) {
          const id = issuer.next(prefix);
          if (n < count - 20 && n > 20) continue;
          const position = BigInt(ms) * 4096n + BigInt(n);
          const number = (position / 4096n) * 2n ** 22n + BigInt(node) * 4096n + (position % 4096n);
          expect(id).toBe(prefix === undefined ? `${number}` : `${prefix}_${number}`);
          const timestampMs = EPOCH_MS + ms + Math.floor(n / 4096);
          expect(parseId(id, EPOCH_MS)).toEqual({
            prefix,
            time: new Date(timestampMs),
            timestampMs,
            node,
            sequence: n % 4096,
          });
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('text that no generator could have made is refused by parseId', () => {
  const bad: unknown[] = [
    '',
    '_',
    '_1',
    'feed_',
    'feed_x',
    'feed',
    'feed_01',
    'feed_-1',
    'feed_1.5',
    'feed_1 ',
  ];
  bad.push(
    '9223372036854775808',
    'feed_99999999999999999999',
    ' 1',
    '1\n',
    '\ud800_1',
    'a\0_1',
    null,
    12,
    {},
  );
  bad.push(`${'x'.repeat(600)}_1`);
  for (const id of bad)
    expect(() => parseId(id as string, EPOCH_MS)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
  expect(parseId('9223372036854775807', EPOCH_MS).sequence).toBe(4095);
  expect(parseId('a_b_4194304', EPOCH_MS).prefix).toBe('a_b');
});

test('a prefix that could not be in a key is refused', () => {
  const { issuer } = granted(new SteppedClock());
  for (const prefix of ['\ud800', 'a\udc00', 'a\0', 'x'.repeat(493), 'ü'.repeat(247), 5, null, {}])
    expect(() => issuer.next(prefix as string)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
  expect(Buffer.byteLength(issuer.next('x'.repeat(492)))).toBeLessThanOrEqual(512);
  expect(issuer.next('')).toMatch(/^\d+$/);
});

test('prefixes can alternate', () => {
  const { issuer } = granted(new SteppedClock());
  const ids = Array.from({ length: 300 }, (_, n) => issuer.next(['feed', undefined, 'tag'][n % 3]));
  expect(new Set(ids.map((id) => id.replace(/^.*_/, ''))).size).toBe(300);
  expect(ids.map((id) => parseId(id, EPOCH_MS).prefix).slice(0, 3)).toEqual(['feed', undefined, 'tag']);
});

test('a full sequence runs at most 4 ms ahead of the clock and then waits for it', () => {
  const clock = new SteppedClock();
  const startMs = clock.wallMs;
  const { issuer } = granted(clock);
  const seen = new Set<string>();
  let aheadMs = 0;
  for (let n = 0; n < 100_000; n++) {
    const id = issuer.next();
    seen.add(id);
    aheadMs = Math.max(aheadMs, parseId(id, EPOCH_MS).timestampMs - clock.wallMs);
  }
  expect(aheadMs).toBe(4);
  expect(seen.size).toBe(100_000);
  // 100,000 ids fill 24.4 ms; five of them need no waiting.
  expect(clock.wallMs - startMs).toBe(20);
});

test('a clock that stands still is an error, not an endless wait', () => {
  const clock = new SteppedClock();
  clock.wait = (ms) => {
    clock.elapsedMs += ms;
  };
  const { issuer } = granted(clock);
  expect(() => {
    for (let n = 0; n < 50_000; n++) issuer.next();
  }).toThrow(expect.objectContaining({ code: 'CLOCK' }));
});

test('small steps back of the clock are absorbed or waited out, in order', () => {
  const clock = new SteppedClock();
  const { issuer } = granted(clock);
  let last = BigInt(issuer.next());
  for (const stepMs of [-1, -4, +3, -8, -2, -10, +20, -14]) {
    clock.step(stepMs);
    const id = BigInt(issuer.next());
    expect(id).toBeGreaterThan(last);
    last = id;
    clock.advance(20);
    issuer.next();
  }
  expect(clock.waitedMs).toBeGreaterThan(0);
});

test('a step back of more than 10 ms is refused until the clock has caught up', () => {
  const clock = new SteppedClock();
  const { issuer } = granted(clock);
  const before = BigInt(issuer.next());
  clock.step(-15);
  expect(() => issuer.next()).toThrow(expect.objectContaining({ code: 'CLOCK' }));
  clock.advance(11);
  expect(BigInt(issuer.next())).toBeGreaterThan(before);
});

test('a thread that lost the processor does not mistake the progress of the others for a step back', () => {
  const clock = new SteppedClock();
  const { cell, issuer } = granted(clock);
  const slowClock = new SteppedClock(clock.wallMs);
  let isFirst = true;
  slowClock.nowMs = () => {
    const { wallMs } = clock;
    if (isFirst) {
      isFirst = false;
      clock.advance(30);
      issuer.next();
    }
    return wallMs;
  };
  expect(BigInt(new IdIssuer(cell, slowClock).next())).toBeGreaterThan(BigInt(issuer.next()));
});

test('no id lies past the reserved time', () => {
  const clock = new SteppedClock();
  const { issuer, cell } = granted(clock, { limitMs: 100 });
  issuer.next();
  clock.step(101);
  expect(() => issuer.next()).toThrow(expect.objectContaining({ code: 'LEASE_LOST' }));
  cell.extend(clock.wallMs - EPOCH_MS, 1e12);
  expect(parseId(issuer.next(), EPOCH_MS).timestampMs).toBe(clock.wallMs);
});

test('clocks outside the 69 years are refused', () => {
  for (const wallMs of [0, EPOCH_MS, EPOCH_MS - 1, EPOCH_MS + 2 ** 41]) {
    const { issuer } = granted(new SteppedClock(wallMs));
    expect(() => issuer.next()).toThrow(expect.objectContaining({ code: 'CLOCK' }));
  }
});

test('what is not a handle cannot be attached to', () => {
  for (const handle of [
    undefined,
    {},
    { memory: new SharedArrayBuffer(128) },
    { memory: new ArrayBuffer(128) },
  ])
    expect(() => IdGenerator.attach(handle as never)).toThrow(TypeError);
});

test('four threads and the opener never get one id twice', async () => {
  const ids = await IdGenerator.open({ store, epochMs: EPOCH_MS, leaseTtlMs: 30_000 });
  const count = 500_000;
  const url = new URL('./ids-thread.mjs', import.meta.url);
  const replies = Array.from({ length: 4 }, () =>
    once(new Worker(url, { workerData: { handle: ids.handle, count } }), 'message'),
  );
  const own = BigInt64Array.from({ length: 100_000 }, () => BigInt(ids.next()));
  const parts = [own, ...(await Promise.all(replies)).map(([numbers]) => numbers as BigInt64Array)];
  for (const part of parts) expect(isAscending(part)).toBe(true);
  const all = new BigInt64Array(4 * count + own.length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  all.sort();
  expect(isAscending(all)).toBe(true);
  await ids.close();
  expect(() => IdGenerator.attach(ids.handle).next()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
});
