import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BloomEvent, BloomGate } from '../dist/bloom/bloom-gate.js';
import type { Store } from '../dist/store/store.js';
import { Events, engineStore } from './ids-fixture.js';

let store: Store;
beforeAll(async () => {
  store = await engineStore(8);
});
afterAll(() => store.close());

const gateOf = (options: { capacity?: number; exclusive?: boolean; errorRate?: number } = {}) => {
  const events = new Events<BloomEvent>();
  const { capacity = 10_000, exclusive = true, errorRate = 0.001 } = options;
  const gate = new BloomGate({ store, capacity, errorRate, exclusive, onEvent: events.on });
  return { gate, events };
};

test('a key without row is answered absent, one with a row never', async () => {
  await store.exec(`INSERT INTO zmsg_data (id, data) VALUES ('here', ''), ('añádido 🎉', ''), ('x_1', '')`);
  const { gate } = gateOf();
  expect(gate.mayExist('absent')).toBe(true); // the scan is not complete
  await gate.ready();
  expect(['here', 'añádido 🎉', 'x_1'].map((key) => gate.mayExist(key))).toEqual([true, true, true]);
  expect(['absent', 'Here', 'x_2', 'añádido'].map((key) => gate.mayExist(key))).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(gate.add(['absent'])).toBe(undefined);
  expect(gate.mayExist('absent')).toBe(true);
  expect(gate.stats()).toMatchObject({ negatives: 4, passes: 5, complete: true, inserted: 4 });
  await gate.close();
  expect(gate.mayExist('x_2')).toBe(true);
});

test('the longest prefix decides where a key would be, and exempt prefixes pass', async () => {
  await store.exec(`CREATE TABLE feeds (id text); CREATE TABLE metas ("Key ""1""" text)`);
  await store.exec(`INSERT INTO feeds VALUES ('feed_1'), ('feed_meta_2'), (NULL)`);
  await store.exec(`INSERT INTO metas VALUES ('feed_meta_1')`);
  const { gate } = gateOf();
  gate.addSource({ prefix: 'feed_', table: 'feeds', key: 'id' });
  gate.addSource({ prefix: 'feed_meta_', table: 'public.metas', key: 'Key "1"' });
  gate.exempt('feed_fn_');
  await gate.ready();
  expect(gate.mayExist('feed_1')).toBe(true);
  expect(gate.mayExist('feed_2')).toBe(false);
  expect(gate.mayExist('feed_meta_1')).toBe(true);
  expect(gate.mayExist('feed_meta_3')).toBe(false);
  expect(gate.mayExist('feed_fn_9')).toBe(true);
  gate.exempt('feed_');
  expect(gate.mayExist('feed_2')).toBe(true);
  await gate.close();
});

test('keys of columns that are not text are found by their text', async () => {
  await store.exec(`CREATE TABLE numbers (n bigint); CREATE TABLE uuids (u uuid)`);
  await store.exec(`INSERT INTO numbers VALUES (-5), (9223372036854775807)`);
  await store.exec(`INSERT INTO uuids VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')`);
  const { gate } = gateOf();
  gate.addSource({ prefix: 'n:', table: 'numbers', key: 'n', toKey: (text) => `n:${text}` });
  gate.addSource({ prefix: 'a0', table: 'uuids', key: 'u' });
  await gate.ready();
  for (const key of ['n:-5', 'n:9223372036854775807', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'])
    expect(gate.mayExist(key)).toBe(true);
  expect(gate.mayExist('n:5')).toBe(false);
  await gate.close();
});

test('a table that is not there yet lets everything pass until it is', async () => {
  const { gate, events } = gateOf();
  gate.addSource({ prefix: 'late_', table: 'late', key: 'id' });
  await events.until('bloom:scan:failed');
  expect(gate.mayExist('late_1')).toBe(true);
  await store.exec(`CREATE TABLE late AS SELECT 'late_7' AS id`);
  await gate.ready();
  expect([gate.mayExist('late_1'), gate.mayExist('late_7')]).toEqual([false, true]);
  await gate.close();
});

test('keys written while 200,000 rows are read are never denied', async () => {
  await store.exec(`CREATE TABLE many AS SELECT 'many_' || n AS id FROM generate_series(1, 200000) AS n`);
  const { gate, events } = gateOf({ capacity: 300_000, errorRate: 0.01 });
  gate.addSource({ prefix: 'many_', table: 'many', key: 'id' });
  const written: string[] = [];
  while (events.all.every((event) => event.type !== 'bloom:scan:complete' || event.prefix !== 'many_')) {
    const keys = Array.from({ length: 20 }, (_, n) => `many_new_${written.length + n}`);
    await gate.add(keys);
    await store.exec('INSERT INTO many SELECT unnest($1::text[])', [keys]);
    written.push(...keys);
    for (const key of keys) expect(gate.mayExist(key)).toBe(true);
  }
  expect(written.length).toBeGreaterThan(100);
  for (const key of written) expect(gate.mayExist(key)).toBe(true);
  for (let n = 1; n <= 200_000; n++) if (gate.mayExist(`many_${n}`) !== true) expect.fail(`many_${n}`);
  let absent = 0;
  for (let n = 0; n < 10_000; n++) absent += Number(gate.mayExist(`many_x${n}`) === false);
  expect(absent).toBeGreaterThan(9_800);
  await gate.close();
});

test('adds and scans in any order never lead to a denied row', async () => {
  await store.exec('CREATE TABLE mixed (id text)');
  const step = fc.oneof(
    fc.record({ add: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }) }),
    fc.constant({ scan: true }),
    fc.constant({ settle: true }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await store.exec('TRUNCATE mixed');
      const { gate } = gateOf({ capacity: 100 });
      const rows: string[] = [];
      for (const each of steps) {
        if ('add' in each) {
          const key = `m${each.add.replaceAll('\0', '')}`;
          await gate.add([key]);
          await store.exec('INSERT INTO mixed VALUES ($1)', [key]);
          rows.push(key);
        } else if ('scan' in each) gate.addSource({ prefix: 'm', table: 'mixed', key: 'id' });
        else await gate.ready();
        for (const key of rows) expect(gate.mayExist(key)).toBe(true);
      }
      await gate.close();
    }),
    { numRuns: 60 },
  );
});

test('more keys than the capacity are told of once, and none is denied', async () => {
  const { gate, events } = gateOf({ capacity: 10, errorRate: 0.1 });
  await gate.ready();
  for (let n = 0; n < 500; n++) await gate.add([`over_${n}`]);
  for (let n = 0; n < 500; n++) expect(gate.mayExist(`over_${n}`)).toBe(true);
  expect(events.count('bloom:capacity:exceeded')).toBe(1);
  await gate.close();
});

test('a node that is not alone and has no Redis denies nothing', async () => {
  const { gate } = gateOf({ exclusive: false });
  await gate.ready();
  expect(gate.mayExist('absent')).toBe(true);
  await gate.close();
});
