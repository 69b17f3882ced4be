import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DelayQueue } from '../dist/delay/delay-queue.js';
import type { DelayedWrite } from '../dist/delay/delayed-write.js';
import type { WriteTarget } from '../dist/delay/write-job.js';
import { type DelayBackend, delayBackends, stopDelayBackends } from './delay-backends.js';

const write = (text: string, values: unknown[] = [], key = 'k'): DelayedWrite => ({
  operationId: randomUUID(),
  key,
  task: { text, values },
});

const insert = (n: number) => write('INSERT INTO happened (n) VALUES ($1)', [n], `key:${n}`);
const soon = { timeout: 20_000, interval: 20 };
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

afterAll(stopDelayBackends);

describe.each(delayBackends)('%s', (_name, start) => {
  let backend: DelayBackend;

  beforeEach(async () => {
    process.on('unhandledRejection', onUnhandled);
    backend = await start();
    await backend.store.exec(
      'CREATE TABLE happened (n int NOT NULL, at timestamptz DEFAULT clock_timestamp())',
    );
  });

  afterEach(async () => {
    await backend.destroy();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });

  const happened = async () => {
    const { rows } = await backend.store.exec<{ n: number }>('SELECT n FROM happened ORDER BY n');
    return rows.map(({ n }) => n);
  };
  const until = (numbers: number[]) =>
    vi.waitFor(async () => expect(await happened()).toEqual(numbers), soon);
  const idle = (queue: DelayQueue) =>
    vi.waitFor(async () => {
      expect(await queue.stats()).toEqual({ waiting: 0, delayed: 0, active: 0, failed: 0 });
    }, soon);

  test('a delayed write happens after its delay and not before', async () => {
    const queue = await backend.open();
    const [before] = (await backend.store.exec<{ now: Date }>('SELECT clock_timestamp() AS now')).rows;
    await queue.enqueue(insert(1), 700);
    expect(await queue.stats()).toEqual({ waiting: 0, delayed: 1, active: 0, failed: 0 });
    await until([1]);
    const [row] = (await backend.store.exec<{ at: Date }>('SELECT at FROM happened')).rows;
    const elapsedMs = Number(row?.at) - Number(before?.now);
    expect(elapsedMs).toBeGreaterThanOrEqual(699);
    expect(elapsedMs).toBeLessThan(10_000);
    expect(backend.events).toContainEqual(
      expect.objectContaining({ type: 'delay:job:applied', key: 'key:1', rowCount: 1 }),
    );
    await idle(queue);
  });

  test('many writes on two nodes each happen once', async () => {
    const queues = await Promise.all([backend.open(), backend.open()]);
    const numbers = Array.from({ length: 60 }, (_, n) => n);
    await Promise.all(numbers.map((n) => queues[n % 2]?.enqueue(insert(n), n % 3 === 0 ? 0 : 50)));
    await until(numbers);
    await idle(queues[0]);
    expect(await happened()).toEqual(numbers);
    expect(backend.events.filter(({ type }) => type === 'delay:job:applied')).toHaveLength(60);
  });

  test('a write that fails for a while is retried until it succeeds', async () => {
    const queue = await backend.open({ attempts: 10 });
    await queue.enqueue(write('INSERT INTO later VALUES ($1)', [7]), 0);
    await vi.waitFor(() => {
      expect(backend.events).toContainEqual(
        expect.objectContaining({ type: 'delay:job:failed', final: false }),
      );
    }, soon);
    await backend.store.exec('CREATE TABLE later (n int)');
    await vi.waitFor(
      async () => expect((await backend.store.exec('SELECT * FROM later')).rowCount).toBe(1),
      soon,
    );
    await idle(queue);
  });

  test('a write that fails for good is kept and listed, and can be retried after a repair or discarded', async () => {
    const queue = await backend.open({ attempts: 2 });
    const lost = write('INSERT INTO nowhere VALUES ($1)', ['s3cret'], 'ключ');
    const wrong = write('INSERT INTO happened (n) VALUES ($1)', ['not a number']);
    await queue.enqueue(lost, 0);
    await queue.enqueue(wrong, 0);
    await vi.waitFor(async () => expect((await queue.stats()).failed).toBe(2), soon);
    const failed = await queue.failed();
    expect(failed).toHaveLength(2);
    expect(failed.find(({ id }) => id === lost.operationId)).toMatchObject({
      key: 'ключ',
      text: 'INSERT INTO nowhere VALUES ($1)',
      error: 'relation "nowhere" does not exist',
      attempts: 2,
    });
    expect(JSON.stringify(failed)).not.toContain('s3cret');
    expect(JSON.stringify(backend.events)).not.toContain('s3cret');
    expect(Math.abs(Date.now() - (failed[0]?.failedAtMs ?? 0))).toBeLessThan(60_000);
    expect(await queue.failed({ limit: 1, offset: 1 })).toHaveLength(1);
    expect(backend.events.filter((event) => event.type === 'delay:job:failed' && event.final)).toHaveLength(
      2,
    );

    await backend.store.exec('CREATE TABLE nowhere (v text)');
    await queue.retryFailed(lost.operationId);
    await vi.waitFor(async () => {
      expect((await backend.store.exec('SELECT v FROM nowhere')).rows).toEqual([{ v: 's3cret' }]);
    }, soon);
    await queue.discardFailed(wrong.operationId);
    await idle(queue);
    await expect(queue.retryFailed(lost.operationId)).rejects.toMatchObject({ code: 'QUEUE' });
    await expect(queue.discardFailed(randomUUID())).rejects.toMatchObject({ code: 'QUEUE' });
  });

  test('values arrive exactly as a direct write would have sent them', async () => {
    await backend.store.exec(`CREATE TABLE exact (
      who text, big numeric, small int8, at timestamptz, bytes bytea, nothing text, doc jsonb, t text, yes boolean,
      f float8, list int[])`);
    const text = 'INSERT INTO exact VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)';
    const values = [
      2n ** 100n,
      -(2n ** 63n),
      new Date('1969-07-20T20:17:40.123Z'),
      new Uint8Array([0, 255, 128, 10]),
      null,
      { list: [1, null, 'é'], nested: { emoji: '👍🏽' }, at: new Date(0) },
      'кавычки \'"\\ \u{1F600} and a lone \ud800 surrogate',
      true,
      -0.1,
      [1, 2, 3],
    ];
    await backend.store.exec(text, ['direct', ...values]);
    const queue = await backend.open();
    await queue.enqueue(write(text, ['delayed', ...values]), 0);
    await vi.waitFor(
      async () => expect((await backend.store.exec('SELECT 1 FROM exact')).rowCount).toBe(2),
      soon,
    );
    const { rows } = await backend.store.exec<{ who: string }>('SELECT * FROM exact ORDER BY who');
    const [delayed, direct] = rows;
    expect({ ...delayed, who: '' }).toEqual({ ...direct, who: '' });
    expect(direct).toMatchObject({ big: String(2n ** 100n), at: new Date('1969-07-20T20:17:40.123Z') });
  });

  test('one operation enqueued and delivered several times happens once', async () => {
    const queue = await backend.open();
    const once = insert(1);
    await queue.enqueue(once, 0);
    await until([1]);
    await idle(queue);
    await queue.enqueue(once, 0);
    await vi.waitFor(() => {
      expect(backend.events.some(({ type }) => type === 'delay:job:duplicate')).toBe(true);
    }, soon);
    const twice = insert(2);
    const outcomes = await Promise.all([backend.writer.apply(twice), backend.writer.apply(twice)]);
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['applied', 'duplicate']);
    expect(await happened()).toEqual([1, 2]);
  });

  test('close waits for the write that is being applied, takes no other, and ends in bounded time', async () => {
    let finish = () => {};
    const started = new Promise<void>((resolveStarted) => {
      const gate = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const slow: WriteTarget = {
        async apply(job) {
          resolveStarted();
          await gate;
          return backend.writer.apply(job);
        },
      };
      void backend.open({ writer: slow, concurrency: 1 }).then(async (queue) => {
        opened = queue;
        await queue.enqueue(insert(1), 0);
        await queue.enqueue(insert(2), 0);
      });
    });
    let opened: DelayQueue | undefined;
    await started;
    await vi.waitUntil(() => opened !== undefined);
    await vi.waitFor(async () => expect((await opened?.stats())?.waiting).toBe(1), soon);
    const closing = opened?.close();
    finish();
    await closing;
    expect(await happened()).toEqual([1]);
    await expect(opened?.enqueue(insert(3), 0)).rejects.toMatchObject({ code: 'CLOSED' });

    const next = await backend.open();
    await until([1, 2]);
    await next.close();

    const stuck = await backend.open({
      closeTimeoutMs: 200,
      writer: { apply: () => new Promise(() => {}) },
    });
    await stuck.enqueue(insert(4), 0);
    await vi.waitFor(async () => expect((await stuck.stats()).active).toBe(1), soon);
    const startedAt = performance.now();
    await stuck.close();
    expect(performance.now() - startedAt).toBeLessThan(9_000);
  });

  test('what cannot be a delayed write is refused at the call', async () => {
    const queue = await backend.open();
    await expect(queue.enqueue({ ...insert(1), operationId: 'x' }, 0)).rejects.toMatchObject({
      code: 'INVALID_VALUE',
    });
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await expect(queue.enqueue(write('SELECT $1', [circular]), 0)).rejects.toMatchObject({
      code: 'INVALID_VALUE',
    });
    expect(await queue.stats()).toEqual({ waiting: 0, delayed: 0, active: 0, failed: 0 });
  });
});
