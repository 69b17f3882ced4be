import { createDatabase, type RedisServer, startRedis } from '@zmsg/testbed';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { FleetNode } from './fleet-node.js';

/** Writes that one node applies at one time. */
const CONCURRENCY = 5;
const GATE = 7;
const soon = { timeout: 40_000, interval: 50 };

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
});
afterAll(() => redis.destroy());

describe.each(['redis', 'postgres'] as const)('delay_backend: %s', (delayBackend) => {
  let client: pg.Client;
  const nodes: FleetNode[] = [];
  let enqueued = 0;

  beforeAll(async () => {
    const postgresDsn = await createDatabase(inject('postgresPort'));
    client = new pg.Client({ connectionString: postgresDsn });
    await client.connect();
    await client.query(
      `CREATE TABLE applied (n int); CREATE TABLE total (n int); INSERT INTO total VALUES (0)`,
    );
    const options = { postgresDsn, redisAddr: redis.addr, cachePrefix: `${delayBackend}:`, delayBackend };
    const start = (n: number) => FleetNode.start(`node ${n}`, { ...options, delayLock: '1s' });
    nodes.push(await start(0)); // one makes the tables
    nodes.push(...(await Promise.all([start(1), start(2)])));
  });
  afterEach(() => client.query('SELECT pg_advisory_unlock_all()'));
  afterAll(async () => {
    await client.end();
    await Promise.all(nodes.map((node) => node.destroy()));
  });

  const closeGate = () => client.query('SELECT pg_advisory_lock($1)', [GATE]);
  const openGate = () => client.query('SELECT pg_advisory_unlock($1)', [GATE]);
  /** Each counts once, and waits at the gate before. */
  const enqueue = (node: FleetNode, count: number, delayMs = 0) => {
    const text = `WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(${GATE})),
      op AS (INSERT INTO applied SELECT ?::int FROM gate RETURNING n)
      UPDATE total SET n = total.n + (SELECT count(*) FROM op)`;
    return Promise.all(
      Array.from({ length: count }, () => {
        enqueued += 1;
        return node.ask('delay', [`job:${enqueued}`, text, [enqueued], delayMs]);
      }),
    );
  };
  /** Until the end of what it returns no job can be settled. */
  const holdQueue = async () => {
    if (delayBackend === 'redis') {
      // Not paused: it would read what the dead node had sent.
      await redis.stop('SIGKILL');
      return () => redis.start();
    }
    await client.query('BEGIN');
    await client.query('SELECT FROM zmsg_boss.job FOR UPDATE');
    return () => client.query('COMMIT');
  };
  const inHand = async (count: number) => {
    await vi.waitFor(async () => {
      const { rows } = await client.query(
        `SELECT count(*)::int AS n FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`,
      );
      expect(rows[0]?.n).toBe(count);
    }, soon);
  };
  const everyWriteOnce = async () => {
    const all = Array.from({ length: enqueued }, (_, n) => n + 1);
    const applied = async () =>
      (await client.query<{ n: number }>('SELECT n FROM applied ORDER BY n')).rows.map(({ n }) => n);
    await vi.waitFor(async () => expect((await applied()).length).toBeGreaterThanOrEqual(enqueued), soon);
    expect(await applied()).toEqual(all);
    expect((await client.query('SELECT n FROM total')).rows).toEqual([{ n: enqueued }]);
  };
  const idle = (node: FleetNode) =>
    vi.waitFor(async () => {
      expect(await node.ask('delayStats')).toEqual({ waiting: 0, delayed: 0, active: 0, failed: 0 });
    }, soon);

  // BullMQ renews its locks itself.
  test.skipIf(delayBackend === 'redis')(
    'a write that takes longer than its lock stays with its node as long as that lives',
    async () => {
      await closeGate();
      await enqueue(nodes[0] as FleetNode, 3);
      await inHand(3);
      const { rows } = await client.query('SELECT clock_timestamp() AS now');
      // Two locks and the wait for them are over.
      await vi.waitFor(async () => {
        const later = await client.query(
          `SELECT clock_timestamp() > $1::timestamptz + interval '4 s' AS over`,
          [rows[0]?.now],
        );
        expect(later.rows).toEqual([{ over: true }]);
      }, soon);
      // A second delivery would wait for the operation id of the first.
      const ids = await client.query(
        `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
       WHERE locktype = 'transactionid' AND NOT granted AND datname = current_database()`,
      );
      expect(ids.rowCount).toBe(0);
      await openGate();
      await everyWriteOnce();
      for (const node of nodes) await idle(node);
    },
  );

  test('what a killed node had in hand is run by another, and every write happens once', async () => {
    const [a, b, c] = nodes as [FleetNode, FleetNode, FleetNode];
    await closeGate();
    await Promise.all([enqueue(a, 10), enqueue(b, 10)]);
    await inHand(3 * CONCURRENCY);
    await a.kill();
    const more = Promise.all([enqueue(b, 10, 30), enqueue(c, 10)]);
    await openGate();
    await more;
    await everyWriteOnce();
    await idle(b);
    await everyWriteOnce();
  });

  test('a write that was committed when its node was killed, but not settled, does not happen again', async () => {
    const [a, b, c] = nodes as [FleetNode, FleetNode, FleetNode];
    await a.restart();
    await closeGate();
    await enqueue(a, 3 * CONCURRENCY);
    await inHand(3 * CONCURRENCY);
    const letSettle = await holdQueue();
    await openGate();
    await everyWriteOnce();
    await a.kill();
    await letSettle();
    for (const node of [b, c]) await idle(node);
    await everyWriteOnce();
  });

  test('a node that stood still while another ran its writes does not run them again', async () => {
    const [, b] = nodes as [FleetNode, FleetNode, FleetNode];
    await closeGate();
    await enqueue(b, 2 * CONCURRENCY);
    await inHand(2 * CONCURRENCY);
    b.signal('SIGSTOP');
    await openGate();
    // All of them, although the other node stands in the midst of its transactions.
    await everyWriteOnce();
    b.signal('SIGCONT');
    await enqueue(b, 2);
    await idle(b);
    await everyWriteOnce();
  });

  test('a node that closes finishes what it has in hand and leaves the rest to the others', async () => {
    const [, b, c] = nodes as [FleetNode, FleetNode, FleetNode];
    await closeGate();
    await enqueue(b, 4 * CONCURRENCY);
    await inHand(2 * CONCURRENCY);
    const closed = c.ask('close');
    await openGate();
    await closed;
    await everyWriteOnce();
    await idle(b);
  });
});
