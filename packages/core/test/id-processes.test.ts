import { expect, test } from 'vitest';
import { IdGenerator } from '../dist/ids/id-generator.js';
import { IdOracle } from './id-oracle.js';
import { IdProcess, type IdProcessOptions } from './id-process.js';
import { createTables, EPOCH_MS, idsDatabase, openStore } from './ids-fixture.js';

const HOUR_MS = 3_600_000;
const PROCESSES = 50;
const IDS = 1_000;
/** How often each process gives its node id back and takes another: `IDS_ROUNDS=50` for a long run. */
const ROUNDS = Number(process.env.IDS_ROUNDS ?? 2);
const code = (code: string) => expect.objectContaining({ code });

/** A database on which all node ids but so many are held by others for a day. */
async function databaseWith(free: number) {
  const dsn = await idsDatabase();
  const store = openStore(dsn, 1);
  const first = await IdGenerator.open({ store, epochMs: EPOCH_MS, leaseTtlMs: 30_000 });
  await first.close();
  await store.exec(
    `UPDATE zmsg_nodes SET owner = gen_random_uuid(), expires_at = now() + interval '1 day', epoch = epoch + 1
     WHERE node_id >= $1`,
    [free],
  );
  await store.exec('UPDATE zmsg_nodes SET high_water_ms = 0');
  await store.close();
  return dsn;
}

/** One more node id is free. */
async function freeOne(dsn: string): Promise<void> {
  const store = openStore(dsn, 1);
  await store.exec(
    `UPDATE zmsg_nodes SET owner = NULL, expires_at = now()
     WHERE node_id = (SELECT max(node_id) FROM zmsg_nodes WHERE expires_at > now() + interval '1 hour')`,
  );
  await store.close();
}

const oracleAnd = (dsn: string) => {
  const oracle = new IdOracle();
  let started = 0;
  const start = (options: Partial<IdProcessOptions> = {}) =>
    new IdProcess({ dsn, oracle, name: `process ${++started}`, ...options });
  return { oracle, start };
};

test('fifty processes that race for node ids and issue at once never make an id twice, nor share a node id', {
  timeout: 60_000 * Math.max(2, ROUNDS),
}, async () => {
  // Few more node ids than processes: what one gives back, another has a moment later.
  const dsn = await databaseWith(PROCESSES + 4);
  const { oracle, start } = oracleAnd(dsn);
  const processes = Array.from({ length: PROCESSES }, () => start());
  const nodes = await Promise.all(processes.map((each) => each.open()));
  expect(new Set(nodes).size).toBe(PROCESSES);
  await Promise.all(
    processes.map(async (each, n) => {
      for (let round = 1; round <= ROUNDS; round++) {
        // In a few of them three threads share one generator.
        const threads = n < 3 ? [each.issueInThread(3 * IDS), each.issueInThread(3 * IDS)] : [];
        await Promise.all([each.issue(IDS), ...threads]);
        await each.close();
        if (round < ROUNDS) await each.open({ insisting: true });
      }
    }),
  );
  expect(oracle.count).toBe(ROUNDS * (PROCESSES * IDS + 18 * IDS));
  oracle.check();
});

test('a process that was stopped past its lease issues nothing that the next holder of its node id has', async () => {
  const dsn = await databaseWith(1);
  const { oracle, start } = oracleAnd(dsn);
  const stopped = start({ leaseTtlMs: 1_000 });
  const node = await stopped.open();
  const running = stopped.call('run');
  await stopped.streams(1_000);
  stopped.signal('SIGSTOP');
  const successor = start();
  expect(await successor.open({ insisting: true })).toBe(node);
  const successorRunning = successor.call('run');
  await successor.streams(1_000);
  // It goes on in the middle of issuing, and its renewal gets no answer: it has to know by itself.
  const store = openStore(dsn, 1);
  await store.transaction(async (session) => {
    await session.exec('LOCK TABLE zmsg_nodes');
    stopped.signal('SIGCONT');
    await Promise.race([stopped.untilEvent('LEASE_LOST'), stopped.streams(4_000)]);
    await successor.streams(4_000);
  });
  await store.close();
  for (const event of ['LEASE_LOST', 'ids:lease:lost']) await stopped.untilEvent(event);
  await freeOne(dsn);
  await stopped.streams(1_000);
  await Promise.all([stopped.call('halt'), successor.call('halt')]);
  await Promise.all([running, successorRunning]);
  expect(await stopped.call('node')).not.toBe(await successor.call('node'));
  oracle.check();
});

test('clock steps of an hour while processes run and across restarts repeat nothing', async () => {
  const dsn = await databaseWith(2);
  const { oracle, start } = oracleAnd(dsn);
  const leaseTtlMs = 1_000;
  const first = start({ leaseTtlMs, offsetMs: HOUR_MS });
  await first.open();
  await first.issue(1_000);
  for (const ms of [HOUR_MS, -HOUR_MS, -HOUR_MS]) {
    await first.call('step', { ms });
    await first.issue(1_000);
    // Both node ids have been used in the future now.
    if (ms < 0) await freeOne(dsn);
  }
  for (const event of ['CLOCK', 'LEASE_LOST']) await first.untilEvent(event);
  // Ends without giving its node id back; the clock of the next one is an hour behind.
  await first.kill();
  const second = start({ leaseTtlMs, offsetMs: -HOUR_MS });
  const node = await second.open({ insisting: true });
  await second.issue(1_000);
  await second.close();
  // The same one again, as soon as its own clock allows, and then one with an older clock: never.
  const third = start({ leaseTtlMs, offsetMs: -HOUR_MS });
  expect(await third.open({ insisting: true })).toBe(node);
  await third.issue(1_000);
  await third.close();
  const older = start({ leaseTtlMs, offsetMs: -2 * HOUR_MS });
  await expect(older.open()).rejects.toEqual(code('CLOCK'));
  oracle.check();
});

test('a process that dies between its lease and its first id leaves nothing behind that repeats', async () => {
  const dsn = await databaseWith(1);
  const { oracle, start } = oracleAnd(dsn);
  const dying = start();
  const node = await dying.open();
  await dying.kill();
  // Its clock is past everything that the first one may have reserved.
  const next = start({ offsetMs: HOUR_MS });
  await expect(next.open()).rejects.toEqual(code('LEASE_LOST'));
  const store = openStore(dsn, 1);
  await store.exec('UPDATE zmsg_nodes SET expires_at = now() WHERE node_id = $1', [node]);
  await store.close();
  expect(await next.open()).toBe(node);
  await next.issue(1_000);
  oracle.check();
});

test('services side by side: each database, and each schema, has its own node ids and its own ids', async () => {
  const dsn = await databaseWith(1);
  const inSchema = `${dsn}?options=${encodeURIComponent('-c search_path=other')}`;
  const store = openStore(dsn, 1);
  await store.exec('CREATE SCHEMA other');
  await store.close();
  const other = openStore(inSchema, 1);
  await createTables(other);
  await other.close();
  const services = [dsn, inSchema, await databaseWith(1)].map(oracleAnd);
  const processes = services.map(({ start }, n) => start(n === 2 ? { epochMs: EPOCH_MS + HOUR_MS } : {}));
  // In its own database the first has the only free node id.
  await Promise.all(processes.slice(0, 2).map((each) => each.open()));
  await expect(services[0]?.start().open()).rejects.toEqual(code('LEASE_LOST'));
  await Promise.all(processes.slice(0, 2).map((each) => each.issue(1_000)));
  // The third database counts from 2024 already.
  await expect(processes[2]?.open()).rejects.toEqual(code('CONFIG'));
  for (const { oracle } of services) oracle.check();
});
