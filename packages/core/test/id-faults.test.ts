import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { IdGenerator } from '../dist/ids/id-generator.js';
import type { LeaseEvent } from '../dist/ids/lease-keeper.js';
import type { Store } from '../dist/store/store.js';
import { FaultyLeaseStore } from './faulty-lease-store.js';
import { IdOracle } from './id-oracle.js';
import { EPOCH_MS, Events, engineStore, SteppedClock } from './ids-fixture.js';

const HOUR_MS = 3_600_000;
const TTL_MS = 30_000;
let store: Store;
beforeAll(async () => {
  store = await engineStore(10);
});
afterAll(() => store.close());
let oracle: IdOracle;
beforeEach(async () => {
  await store.exec('TRUNCATE zmsg_nodes, zmsg_id_epoch');
  oracle = new IdOracle();
});

let opened = 0;
const open = async (clock = new SteppedClock(), epochMs = EPOCH_MS) => {
  const name = `engine ${++opened}`;
  const events = new Events<LeaseEvent>();
  const faulty = new FaultyLeaseStore(store);
  const ids = await IdGenerator.open({
    store: faulty,
    epochMs,
    leaseTtlMs: TTL_MS,
    clock,
    onEvent: events.on,
  });
  onTestFinished(() => ids.close());
  const issue = (count = 100) =>
    oracle.issued(
      name,
      Array.from({ length: count }, () => ids.next('feed')),
    );
  return { ids, clock, events, faulty, issue };
};
const leaveFree = (...free: (number | undefined)[]) =>
  store.exec(
    `UPDATE zmsg_nodes SET owner = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '1 day'
     WHERE node_id <> ALL ($1)`,
    [free],
  );
const expire = (node: number | undefined) =>
  store.exec(`UPDATE zmsg_nodes SET expires_at = now() WHERE node_id = $1`, [node]);
const row = async (node: number | undefined) =>
  (await store.exec('SELECT owner, epoch, high_water_ms FROM zmsg_nodes WHERE node_id = $1', [node])).rows[0];
/** No row if another session has it. */
const LOCKED = 'SELECT 1 FROM zmsg_nodes WHERE node_id = $1 FOR UPDATE SKIP LOCKED';
const WAITING = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
const code = (code: string) => expect.objectContaining({ code });
const otherThan = (node: number | undefined) => ((node ?? 0) + 1) % 1024;

test('a renewal whose answer was lost extends nothing here until it is renewed again', async () => {
  const { ids, clock, events, faulty, issue } = await open();
  faulty.loseNextReply();
  clock.advance(10_000);
  await events.until('ids:lease:failed');
  issue();
  // What this engine knows of is the first lease.
  clock.sleep(19_000);
  expect(() => ids.next()).toThrow(code('LEASE_LOST'));
  clock.advance(0);
  await events.until('ids:lease:renewed');
  issue();
  expect(events.count('ids:lease:acquired')).toBe(1);
  oracle.check();
});

test('a renewal without an answer is given up, and tried again on another connection', async () => {
  const { ids, clock, events, issue } = await open();
  let answer = () => {};
  const answering = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const hanging = store.transaction(async (session) => {
    await session.exec('SELECT 1 FROM zmsg_nodes WHERE node_id = $1 FOR UPDATE', [ids.nodeId]);
    await answering;
  });
  await expect.poll(() => store.exec(LOCKED, [ids.nodeId])).toMatchObject({ rowCount: 0 });
  clock.advance(10_000);
  await expect.poll(async () => (await store.exec(WAITING)).rowCount).toBe(1);
  clock.advance(10_000);
  await events.until('ids:lease:failed');
  answer();
  await hanging;
  clock.advance(1_000);
  await events.until('ids:lease:renewed');
  issue();
  oracle.check();
});

test('a renewal that arrives late, when another has the node id, changes nothing', async () => {
  const first = await open();
  const { nodeId } = first.ids;
  first.issue();
  first.faulty.delayNext();
  first.clock.advance(10_000);
  await first.events.until('ids:lease:failed');
  await leaveFree(nodeId);
  await expire(nodeId);
  const second = await open(new SteppedClock(first.clock.wallMs + 2 * TTL_MS));
  expect(second.ids.nodeId).toBe(nodeId);
  const before = await row(nodeId);
  await first.faulty.arrive();
  expect(await row(nodeId)).toEqual(before);
  first.issue();
  second.issue();
  oracle.check();
});

test('a lease whose answer was lost is nobody’s until it expires', async () => {
  const { ids } = await open();
  await leaveFree(ids.nodeId, otherThan(ids.nodeId));
  const faulty = new FaultyLeaseStore(store);
  const options = { store: faulty, epochMs: EPOCH_MS, leaseTtlMs: TTL_MS, clock: new SteppedClock() };
  const lost = { exec: faulty.exec };
  // The first statement reads the id epoch, the second takes the node id.
  let statements = 0;
  lost.exec = (...args) => {
    if (++statements === 2) faulty.loseNextReply();
    return faulty.exec(...args);
  };
  await expect(IdGenerator.open({ ...options, store: lost })).rejects.toEqual(code('STORE'));
  await expect(IdGenerator.open(options)).rejects.toEqual(code('LEASE_LOST'));
  await expire(otherThan(ids.nodeId));
  const next = await open(new SteppedClock(options.clock.wallMs + TTL_MS));
  expect(next.ids.nodeId).toBe(otherThan(ids.nodeId));
});

test('a node id whose release was not heard of is taken over above what was used', async () => {
  const first = await open();
  const { nodeId } = first.ids;
  await leaveFree(nodeId);
  first.issue();
  first.faulty.loseNextReply();
  await first.ids.close();
  const second = await open(first.clock);
  expect(second.ids.nodeId).toBe(nodeId);
  second.issue();
  oracle.check();
});

test('an engine that closes when another has its node id gives nothing away', async () => {
  const first = await open();
  const { nodeId } = first.ids;
  await leaveFree(nodeId);
  await expire(nodeId);
  const second = await open(new SteppedClock(first.clock.wallMs + 2 * TTL_MS));
  const before = await row(nodeId);
  await first.ids.close();
  expect(await row(nodeId)).toEqual(before);
  expect(second.ids.nodeId).toBe(nodeId);
});

test('what a renewal reserved is passed over by the next holder', async () => {
  const crashed = await open();
  const { nodeId } = crashed.ids;
  await leaveFree(nodeId);
  for (let round = 1; round <= 4; round++) {
    crashed.clock.advance(10_000);
    await crashed.events.until('ids:lease:renewed', round);
  }
  crashed.issue();
  await expire(nodeId);
  await expect(open(crashed.clock)).rejects.toEqual(code('CLOCK'));
  const next = await open(new SteppedClock(crashed.clock.wallMs + TTL_MS));
  expect(next.ids.nodeId).toBe(nodeId);
  // It may go on to the last millisecond that it reserved.
  crashed.clock.sleep(28_000);
  crashed.issue();
  next.issue();
  oracle.check();
});

// CLOCK_MONOTONIC stands still while a machine is suspended: the deadline of a lease is no fence then,
// but the reserved time is. Another has the node id meanwhile.
for (const wall of ['goes on', 'stands still too'] as const) {
  test(`a machine that was suspended past its lease repeats nothing, when its wall clock ${wall}`, async () => {
    const suspended = await open();
    const { nodeId } = suspended.ids;
    await leaveFree(nodeId);
    suspended.issue();
    await expire(nodeId);
    const successor = await open(new SteppedClock(suspended.clock.wallMs + HOUR_MS));
    expect(successor.ids.nodeId).toBe(nodeId);
    successor.issue(10_000);
    if (wall === 'goes on') {
      suspended.clock.wallMs += HOUR_MS;
      // The rest of the block that it had when it was suspended is still its own.
      suspended.issue(3);
      suspended.clock.elapsedMs += 1;
      expect(() => suspended.ids.next()).toThrow(code('LEASE_LOST'));
    } else {
      suspended.issue(10_000);
      suspended.clock.advance(10_000);
    }
    await suspended.events.until('ids:lease:failed');
    await store.exec('UPDATE zmsg_nodes SET owner = NULL WHERE node_id = $1', [otherThan(nodeId)]);
    suspended.clock.advance(1_000);
    await suspended.events.until('ids:lease:acquired', 2);
    expect(suspended.ids.nodeId).toBe(otherThan(nodeId));
    suspended.issue();
    successor.issue();
    oracle.check();
  });
}

test('engines notice at their next renewal that the database was restored to an earlier state', async () => {
  const survivor = await open();
  await store.exec('DROP TABLE IF EXISTS backup; CREATE TABLE backup AS TABLE zmsg_nodes');
  const forgotten = await open(survivor.clock);
  const { nodeId } = forgotten.ids;
  survivor.issue();
  forgotten.issue();
  await store.exec('TRUNCATE zmsg_nodes; INSERT INTO zmsg_nodes TABLE backup; DROP TABLE backup');
  // Fenced where it matters: it knows that its row is another's before the time that it reserved is over.
  survivor.clock.advance(10_000);
  await Promise.all([
    survivor.events.until('ids:lease:renewed'),
    forgotten.events.until('ids:lease:acquired', 2),
  ]);
  expect(forgotten.events.count('ids:lease:lost')).toBe(1);
  await leaveFree(survivor.ids.nodeId, forgotten.ids.nodeId, nodeId);
  const next = nodeId === forgotten.ids.nodeId ? [] : [await open(survivor.clock)];
  for (const engine of [survivor, forgotten, ...next]) engine.issue();
  oracle.check();
});

test('a database that was restored while no engine ran issues nothing again, since time went on', async () => {
  const clock = new SteppedClock();
  const first = await open(clock);
  const { nodeId } = first.ids;
  await store.exec('DROP TABLE IF EXISTS backup; CREATE TABLE backup AS TABLE zmsg_nodes');
  for (let round = 1; round <= 9; round++) {
    clock.advance(10_000);
    await first.events.until('ids:lease:renewed', round);
    first.issue();
  }
  await first.ids.close();
  await store.exec('TRUNCATE zmsg_nodes; INSERT INTO zmsg_nodes TABLE backup; DROP TABLE backup');
  await leaveFree(nodeId);
  await expire(nodeId);
  clock.advance(1);
  const second = await open(clock);
  expect(second.ids.nodeId).toBe(nodeId);
  second.issue();
  oracle.check();
});

test('a database whose ids count from one epoch is refused with another, also in a race', async () => {
  const later = EPOCH_MS + HOUR_MS;
  const race = await Promise.allSettled([EPOCH_MS, later, EPOCH_MS, later].map((ms) => open(undefined, ms)));
  const won = race.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const lost = race.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  expect(won.length).toBe(2);
  for (const error of lost) expect(error).toEqual(code('CONFIG'));
  expect(lost[0].message).toMatch(/^id_epoch is 2024-.*, but the ids of this database count from 2024-/);
  for (const { ids } of won) await ids.close();
  const { epoch_ms } = (await store.exec<{ epoch_ms: string }>('TABLE zmsg_id_epoch')).rows[0] ?? {};
  await (await open(undefined, Number(epoch_ms))).ids.close();
  await expect(open(undefined, Number(epoch_ms) - 1)).rejects.toEqual(code('CONFIG'));
});
