import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { IdGenerator } from '../dist/ids/id-generator.js';
import type { LeaseEvent } from '../dist/ids/lease-keeper.js';
import { NodeLease } from '../dist/ids/node-lease.js';
import { parseId } from '../dist/ids/parse-id.js';
import type { Store } from '../dist/store/store.js';
import { EPOCH_MS, Events, engineStore, SteppedClock } from './ids-fixture.js';

const HOUR_MS = 3_600_000;
let store: Store;
beforeAll(async () => {
  store = await engineStore(10);
});
afterAll(() => store.close());
beforeEach(async () => {
  await store.exec('TRUNCATE zmsg_nodes');
});

const open = async (options: { clock?: SteppedClock; leaseTtlMs?: number } = {}) => {
  const clock = options.clock ?? new SteppedClock();
  const events = new Events<LeaseEvent>();
  const leaseTtlMs = options.leaseTtlMs ?? 30_000;
  const ids = await IdGenerator.open({ store, epochMs: EPOCH_MS, leaseTtlMs, clock, onEvent: events.on });
  return { ids, clock, events };
};
const row = async (nodeId: number | undefined) =>
  (
    await store.exec<{ owner: string | null; epoch: string; high_water_ms: string; left_ms: number }>(
      `SELECT owner, epoch, high_water_ms, extract(epoch FROM expires_at - now())::float8 * 1000 AS left_ms
       FROM zmsg_nodes WHERE node_id = $1`,
      [nodeId],
    )
  ).rows[0];
/** All ids but `free` are held by others. */
const occupyAllBut = (...free: (number | undefined)[]) =>
  store.exec(
    `UPDATE zmsg_nodes SET owner = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '1 day'
     WHERE node_id <> ALL ($1)`,
    [free],
  );
const code = (code: string) => expect.objectContaining({ code });

test('engines that open at once get different node ids', async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => open()));
  expect(new Set(all.map(({ ids }) => ids.nodeId)).size).toBe(50);
  await Promise.all(all.map(({ ids }) => ids.close()));
  const held = await store.exec('SELECT 1 FROM zmsg_nodes WHERE owner IS NOT NULL');
  expect(held.rowCount).toBe(0);
});

test('the last free node ids are found by those who race for them', async () => {
  const first = await open();
  await occupyAllBut(3, 500, 1023);
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => open()));
  const taken = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.ids] : []));
  expect(taken.map((ids) => ids.nodeId).sort()).toEqual([1023, 3, 500]);
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toEqual(code('LEASE_LOST'));
  await Promise.all([first.ids, ...taken].map((ids) => ids.close()));
});

test('a free row is given to one of those who want it at the same moment', async () => {
  const first = await open();
  const lease = { ttlMs: 30_000, nowMs: first.clock.wallMs, reserveMs: first.clock.wallMs + 30_000 };
  const signal = new AbortController().signal;
  for (let round = 0; round < 20; round++) {
    await occupyAllBut();
    const free = [round, 400 + round];
    await store.exec('UPDATE zmsg_nodes SET owner = NULL, high_water_ms = 0 WHERE node_id = ANY ($1)', [
      free,
    ]);
    const racing = Array.from({ length: 10 }, () => NodeLease.acquire(store, lease, signal));
    const results = await Promise.allSettled(racing);
    const nodes = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.nodeId] : []));
    expect(nodes.sort((a, b) => a - b)).toEqual(free);
  }
  await first.ids.close();
});

test('with all 1,024 node ids taken the error says so', async () => {
  const { ids } = await open();
  await occupyAllBut();
  await expect(open()).rejects.toThrow(/all 1024 node ids/);
  await ids.close();
});

test('fault 8: the lease is renewed', async () => {
  const { ids, clock, events } = await open();
  await store.exec(`UPDATE zmsg_nodes SET expires_at = now() + interval '1 s' WHERE node_id = $1`, [
    ids.nodeId,
  ]);
  for (let round = 1; round <= 12; round++) {
    clock.advance(10_000);
    await events.until('ids:lease:renewed', round);
    expect((await row(ids.nodeId))?.left_ms).toBeGreaterThan(29_000);
    expect(parseId(ids.next('feed'), EPOCH_MS).timestampMs).toBe(clock.wallMs);
  }
  expect(events.count('ids:lease:acquired')).toBe(1);
  await ids.close();
});

test('fault 8: a clock step back does not fail every call', async () => {
  const { ids, clock, events } = await open();
  const firstNode = ids.nodeId;
  const seen = new Set([ids.next(), ids.next()]);
  const usedMs = clock.wallMs;
  clock.step(-HOUR_MS);
  expect(() => ids.next()).toThrow(code('CLOCK'));
  await events.until('ids:lease:released');
  for (let n = 0; n < 10_000; n++) seen.add(ids.next());
  expect(seen.size).toBe(10_002);
  expect(ids.nodeId).not.toBe(firstNode);
  expect(await row(firstNode)).toMatchObject({ owner: null, high_water_ms: String(usedMs) });
  await ids.close();
});

test('a step forward of an hour and back again repeats nothing', async () => {
  const { ids, clock, events } = await open();
  const seen = [ids.next()];
  for (const [round, stepMs] of [HOUR_MS, -HOUR_MS, HOUR_MS, -HOUR_MS].entries()) {
    clock.step(stepMs);
    const renewed = events.count('ids:lease:renewed');
    for (;;) {
      try {
        seen.push(ids.next());
        break;
      } catch (error) {
        expect(error).toEqual(code(stepMs > 0 ? 'LEASE_LOST' : 'CLOCK'));
        if (stepMs > 0) await events.until('ids:lease:renewed', renewed + 1);
        else await events.until('ids:lease:acquired', 2 + (round >> 1));
      }
    }
    for (let n = 0; n < 1000; n++) seen.push(ids.next());
  }
  expect(new Set(seen).size).toBe(seen.length);
  await ids.close();
});

test('a restart within the same millisecond, on the same node id, repeats nothing', async () => {
  const clock = new SteppedClock();
  const first = await open({ clock });
  await occupyAllBut(first.ids.nodeId);
  const seen = Array.from({ length: 3000 }, () => first.ids.next());
  await first.ids.close();
  const second = await open({ clock });
  expect(second.ids.nodeId).toBe(parseId(String(seen[0]), EPOCH_MS).node);
  for (let n = 0; n < 3000; n++) seen.push(second.ids.next());
  expect(new Set(seen).size).toBe(6000);
  await second.ids.close();
});

test('after a crash the next holder starts above everything that was reserved', async () => {
  const crashed = await open();
  const { nodeId } = crashed.ids;
  await occupyAllBut(nodeId);
  await expect(open()).rejects.toThrow(code('LEASE_LOST'));
  await store.exec(`UPDATE zmsg_nodes SET expires_at = now() - interval '1 s' WHERE node_id = $1`, [nodeId]);
  // The clock of the next one is behind what the crashed one may still have used.
  await expect(open({ clock: new SteppedClock(crashed.clock.wallMs) })).rejects.toThrow(code('CLOCK'));
  const next = await open({ clock: new SteppedClock(crashed.clock.wallMs + 29_995) });
  expect(next.ids.nodeId).toBe(nodeId);
  expect(parseId(next.ids.next(), EPOCH_MS).timestampMs).toBe(crashed.clock.wallMs + 30_001);
  await next.ids.close();
});

test('past the deadline nothing is issued until the lease is renewed', async () => {
  const { ids, clock, events } = await open();
  const seen = [ids.next()];
  clock.elapsedMs += 28_999; // the process was stopped: no timer ran
  seen.push(ids.next());
  clock.elapsedMs += 1;
  expect(() => ids.next()).toThrow(code('LEASE_LOST'));
  const attached = IdGenerator.attach(ids.handle, { clock });
  expect(() => attached.next()).toThrow(code('LEASE_LOST'));
  await events.until('ids:lease:renewed');
  seen.push(ids.next(), attached.next());
  expect(new Set(seen).size).toBe(4);
  await ids.close();
});

test('a holder whose node id was taken by another stops and gets a new one', async () => {
  const { ids, clock, events } = await open();
  const taken = ids.nodeId;
  const seen = [ids.next()];
  await store.exec(
    `UPDATE zmsg_nodes SET owner = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '1 h'
     WHERE node_id = $1`,
    [taken],
  );
  const before = await row(taken);
  clock.advance(10_000);
  await events.until('ids:lease:acquired', 2);
  expect(events.count('ids:lease:lost')).toBe(1);
  expect(ids.nodeId).not.toBe(taken);
  seen.push(ids.next());
  expect(new Set(seen).size).toBe(2);
  await ids.close();
  expect(await row(taken)).toMatchObject({ owner: before?.owner, high_water_ms: before?.high_water_ms });
});

test('while PostgreSQL does not answer ids go on until the deadline and again after it', async () => {
  const { ids, clock, events } = await open();
  await store.exec('ALTER TABLE zmsg_nodes RENAME TO zmsg_nodes_away');
  clock.advance(10_000);
  await events.until('ids:lease:failed');
  ids.next();
  clock.advance(20_000);
  expect(() => ids.next()).toThrow(code('LEASE_LOST'));
  await events.until('ids:lease:failed', 2);
  await store.exec('ALTER TABLE zmsg_nodes_away RENAME TO zmsg_nodes');
  clock.advance(3_000);
  await events.until('ids:lease:renewed');
  ids.next();
  await ids.close();
});

test('release writes the last millisecond that was used', async () => {
  const { ids, clock } = await open();
  const { nodeId } = ids;
  expect(Number((await row(nodeId))?.high_water_ms)).toBe(clock.wallMs + 30_000);
  ids.next();
  await ids.close();
  await ids.close();
  expect(await row(nodeId)).toMatchObject({ owner: null, high_water_ms: String(clock.wallMs) });
  expect(() => ids.next()).toThrow(code('CLOSED'));
});
