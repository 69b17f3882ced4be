import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createDatabase, startPostgres, startRedis } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest';
import { BossDelayQueue } from '../dist/delay/boss-delay-queue.js';
import { BullDelayQueue, type BullDelayQueueOptions } from '../dist/delay/bull-delay-queue.js';
import type { DelayEvent } from '../dist/delay/delay-queue.js';
import { DelayedWriter } from '../dist/delay/delayed-writer.js';
import { Store } from '../dist/store/store.js';

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);
const soon = { timeout: 30_000, interval: 20 };

beforeAll(() => void process.on('unhandledRejection', onUnhandled));
afterEach(() => expect(unhandled).toEqual([]));
afterAll(() => void process.off('unhandledRejection', onUnhandled));

async function storeOn(connectionString: string): Promise<Store> {
  const store = new Store({
    connectionString,
    maxOpen: 5,
    maxIdle: 5,
    maxLifetimeMs: 60_000,
    connectTimeoutMs: 2000,
    onIdleError: () => {},
  });
  await store.exec(await readFile(new URL('../../../schema/001_engine.sql', import.meta.url), 'utf8'));
  await store.exec('CREATE TABLE happened (n int)');
  return store;
}

const insert = (n: number) => ({
  operationId: randomUUID(),
  key: 'k',
  task: { text: 'INSERT INTO happened VALUES ($1)', values: [n] },
});

const happened = async (store: Store) =>
  (await store.exec<{ n: number }>('SELECT n FROM happened ORDER BY n')).rows.map(({ n }) => n);

const bull = (addr: string, store: Store, more: Partial<BullDelayQueueOptions> = {}) =>
  BullDelayQueue.open({
    redisAddr: [addr],
    redisPassword: '',
    redisDb: 0,
    cachePrefix: 'away:',
    writer: new DelayedWriter({ store }),
    enqueueTimeoutMs: 500,
    ...more,
  });

test('with Redis killed or paused enqueue fails in bounded time, nothing is sent later, and the queue recovers', async () => {
  const server = await startRedis({ args: ['--appendonly', 'yes'] });
  const store = await storeOn(await createDatabase(inject('postgresPort')));
  const queue = await bull(server.addr, store);
  expect(queue.warnings()).toEqual([]);
  await queue.enqueue(insert(1), 500);
  await server.stop('SIGKILL');
  const startedAt = performance.now();
  const refused = await Promise.allSettled([
    queue.enqueue(insert(90), 0),
    queue.enqueue(insert(91), 0),
    queue.stats(),
  ]);
  for (const outcome of refused) expect(outcome).toMatchObject({ reason: { code: 'QUEUE' } });
  expect(performance.now() - startedAt).toBeLessThan(20_000);
  await server.start();
  await vi.waitFor(() => queue.enqueue(insert(2), 0), soon);
  await vi.waitFor(async () => {
    const numbers = await happened(store);
    expect(numbers).toContain(1); // kept by the append-only file
    expect(numbers).toContain(2);
    expect(numbers).not.toContain(90);
  }, soon);

  server.pause();
  const pausedAt = performance.now();
  await expect(queue.enqueue(insert(92), 0)).rejects.toMatchObject({ code: 'QUEUE' });
  expect(performance.now() - pausedAt).toBeLessThan(20_000);
  server.resume();
  await vi.waitFor(() => queue.enqueue(insert(3), 0), soon);
  await vi.waitFor(async () => expect(await happened(store)).toContain(3), soon);
  server.pause();
  const closingAt = performance.now();
  await queue.close();
  expect(performance.now() - closingAt).toBeLessThan(60_000);
  server.resume();
  await store.close();
  await server.destroy();
});

test('a queue opened while Redis is away works when Redis comes, and warns of settings that lose jobs', async () => {
  const server = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] });
  await server.stop('SIGKILL');
  const store = await storeOn(await createDatabase(inject('postgresPort')));
  const queue = await bull(server.addr, store, { enqueueTimeoutMs: 100 });
  expect(queue.warnings()).toEqual([expect.stringMatching(/not been reached/)]);
  await expect(queue.enqueue(insert(1), 0)).rejects.toMatchObject({ code: 'QUEUE' });
  await server.start();
  await vi.waitFor(() => queue.enqueue(insert(2), 0), soon);
  await vi.waitFor(async () => expect(await happened(store)).toEqual([2]), soon);
  await vi.waitFor(() =>
    expect(queue.warnings()).toEqual([
      expect.stringMatching(/maxmemory-policy allkeys-lru/),
      expect.stringMatching(/append-only/),
    ]),
  );
  await queue.close();
  const watch = new Redis(`redis://${server.addr}`);
  await vi.waitFor(async () => expect(await watch.call('CLIENT', 'LIST')).not.toMatch(/zmsg-delay/));
  await watch.quit();
  await store.close();
  await server.destroy();
});

test('settings of Redis that may lose delayed writes are reported once connected, and again when they change', async () => {
  const server = await startRedis({
    args: ['--appendonly', 'yes', '--appendfsync', 'no', '--maxmemory-policy', 'volatile-ttl'],
  });
  const store = await storeOn(await createDatabase(inject('postgresPort')));
  const doubts: (readonly string[])[] = [];
  const onEvent = (event: DelayEvent) => {
    if (event.type === 'delay:durability:doubtful') doubts.push(event.reasons);
  };
  const queue = await bull(server.addr, store, { onEvent });
  const bad = [expect.stringMatching(/maxmemory-policy volatile-ttl/), expect.stringMatching(/appendfsync/)];
  expect(doubts).toEqual([bad]);
  const admin = new Redis(`redis://${server.addr}`);
  const reconnect = () => admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await admin.config('SET', 'appendfsync', 'always', 'maxmemory-policy', 'noeviction');
  await reconnect();
  await vi.waitFor(() => expect(queue.warnings()).toEqual([]), soon);
  expect(doubts).toEqual([bad]);
  await admin.config('SET', 'appendonly', 'no');
  await reconnect();
  await vi.waitFor(() => expect(doubts).toEqual([bad, [expect.stringMatching(/append-only/)]]), soon);
  await admin.quit();
  await queue.close();
  await store.close();
  await server.destroy();
});

test('while PostgreSQL is away a delayed write on Redis waits without using up its attempts', async () => {
  const postgres = await startPostgres();
  const store = await storeOn(await postgres.createDatabase());
  const events: DelayEvent[] = [];
  const onEvent = (event: DelayEvent) => void events.push(event);
  const queue = await bull(inject('redisAddr'), store, {
    cachePrefix: `pgaway-${randomUUID()}:`,
    attempts: 1,
    backoffMs: 50,
    onEvent,
  });
  await postgres.stop('immediate');
  await queue.enqueue(insert(1), 0);
  await vi.waitFor(() => {
    expect(events.filter(({ type }) => type === 'delay:job:failed').length).toBeGreaterThan(2);
  }, soon);
  expect(events).not.toContainEqual(expect.objectContaining({ final: true }));
  await postgres.start();
  await vi.waitFor(async () => expect(await happened(store)).toEqual([1]), soon);
  await vi.waitFor(async () => expect(await queue.stats()).toMatchObject({ delayed: 0, failed: 0 }), soon);
  await queue.close();
  await store.close();
  await postgres.destroy();
});

test('with PostgreSQL away pg-boss refuses in bounded time, and goes on when it is back', async () => {
  const postgres = await startPostgres();
  const connectionString = await postgres.createDatabase();
  const store = await storeOn(connectionString);
  const writer = new DelayedWriter({ store });
  const queue = await BossDelayQueue.open({ connectionString, writer, enqueueTimeoutMs: 1000, lockMs: 1000 });
  await queue.enqueue(insert(1), 1500);
  await postgres.stop('immediate');
  const startedAt = performance.now();
  await expect(queue.enqueue(insert(90), 0)).rejects.toMatchObject({ code: 'QUEUE' });
  await expect(BossDelayQueue.open({ connectionString, writer })).rejects.toMatchObject({ code: 'QUEUE' });
  expect(performance.now() - startedAt).toBeLessThan(30_000);
  await postgres.start();
  await vi.waitFor(() => queue.enqueue(insert(2), 0), soon);
  await vi.waitFor(async () => expect(await happened(store)).toEqual([1, 2]), soon);
  await queue.close();
  await vi.waitFor(async () => {
    const open = await store.exec("SELECT 1 FROM pg_stat_activity WHERE application_name = 'zmsg-delay'");
    expect(open.rowCount).toBe(0);
  });
  await store.close();
  await postgres.destroy();
});

test('a job whose node died is run by another, once', async () => {
  const connectionString = await createDatabase(inject('postgresPort'));
  const store = await storeOn(connectionString);
  const dead = { apply: () => new Promise<never>(() => {}) };
  const writer = new DelayedWriter({ store });
  const cachePrefix = `dead-${randomUUID()}:`;
  const first = [
    await bull(inject('redisAddr'), store, { cachePrefix, writer: dead, lockMs: 1000, closeTimeoutMs: 50 }),
    await BossDelayQueue.open({ connectionString, writer: dead, lockMs: 1000, closeTimeoutMs: 50 }),
  ] as const;
  await first[0].enqueue(insert(1), 0);
  await first[1].enqueue(insert(2), 0);
  for (const queue of first) {
    await vi.waitFor(async () => expect((await queue.stats()).active).toBe(1), soon);
    await queue.close(); // gives up its job without settling it
  }
  const second = [
    await bull(inject('redisAddr'), store, { cachePrefix, writer, lockMs: 1000 }),
    await BossDelayQueue.open({ connectionString, writer, lockMs: 1000 }),
  ];
  await vi.waitFor(async () => expect(await happened(store)).toEqual([1, 2]), soon);
  await Promise.all(second.map((queue) => queue.close()));
  await store.close();
});

test('closed with a job in hand that never ends, the queue does not keep the process alive', async () => {
  const program = fileURLToPath(new URL('delay-close-process.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, inject('redisAddr'), `stuck-${randomUUID()}:`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  expect({ code, output }).toEqual({ code: 0, output: 'closed\n' });
}, 60_000);

test('ids of applied operations are forgotten after the retention and not before', async () => {
  const store = await storeOn(await createDatabase(inject('postgresPort')));
  let nowMs = 0;
  const writer = new DelayedWriter({ store, now: () => nowMs });
  await store.exec(`INSERT INTO zmsg_operations
    SELECT gen_random_uuid(), now() - interval '8 days' FROM generate_series(1, 2500)`);
  await store.exec(`INSERT INTO zmsg_operations SELECT gen_random_uuid(), now() - interval '6 days'`);
  const count = async () => (await store.exec('SELECT 1 FROM zmsg_operations')).rowCount;
  await writer.apply(insert(1));
  await writer.close();
  expect(await count()).toBe(2502);
  nowMs += 3_600_000;
  await writer.apply(insert(2));
  await writer.close();
  expect(await count()).toBe(3);
  await store.close();
});

test('what follows a committed write is tried again when it fails, and the write is not', async () => {
  const store = await storeOn(await createDatabase(inject('postgresPort')));
  let failing = true;
  const followed: string[] = [];
  const writer = new DelayedWriter({
    store,
    onCommitted: async ({ key }) => {
      if (failing) throw new Error('the caches are away');
      followed.push(key);
    },
  });
  const job = insert(1);
  await expect(writer.apply(job)).rejects.toThrow('the caches are away');
  failing = false;
  expect(await writer.apply(job)).toEqual({ outcome: 'duplicate' });
  expect(followed).toEqual(['k']);
  expect(await happened(store)).toEqual([1]);
  await store.close();
});
