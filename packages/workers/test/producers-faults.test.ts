import type { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { ClosedError, connectShards, FencedError, LogError, type ShardsOptions } from '../dist/index.js';
import { type Inside, type ProducerThread, startProducer } from './producer-thread.js';
import { connect, freshLogDir, like, likesOf, openDatabase, openShards } from './shard-fixture.js';

const nothingIsPending = { pendingOperations: 0, pendingBytes: 0, producers: 1 };

/** How often threads are terminated at a random moment. */
const ROUNDS = Number(process.env.PRODUCER_ROUNDS ?? 2);

function always(over: Partial<ShardsOptions> = {}): Partial<ShardsOptions> {
  return { log: { dir: freshLogDir(), durability: 'always', syncIntervalMs: 600_000 }, shards: 2, ...over };
}

/** The threads that start while `open` runs: the shards'. */
async function watched<T>(open: () => Promise<T>): Promise<{ opened: T; workers: Worker[] }> {
  const workers: Worker[] = [];
  const onWorker = (worker: Worker) => workers.push(worker);
  process.on('worker', onWorker);
  onTestFinished(() => void process.off('worker', onWorker));
  return { opened: await open(), workers };
}

function arm(points: string): void {
  process.env.ZMSG_FAILPOINTS = points;
  onTestFinished(disarm);
}

function disarm(): void {
  delete process.env.ZMSG_FAILPOINTS;
}

/** What a thread has done so far, in memory that outlives it. */
const Count = { attempted: 0, acknowledged: 1, stop: 2 } as const;

function counts(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(16));
}

test('threads are terminated at any moment: acknowledged ≤ applied ≤ attempted, and all they held comes free', async () => {
  const { dsn, client } = await openDatabase();
  // Long records travel in chunks, and room is short: so a thread may end in any state.
  const options = { ringBytes: 4096, pendingMax: 400, batchSize: 10 };
  const { shards } = await openShards(dsn, always(options));
  for (let round = 0; round < ROUNDS; round++) {
    const threads: { counts: Int32Array; id: string; until: number; thread: ProducerThread<void> }[] = [];
    for (let t = 0; t < 3; t++) {
      const id = `${round}-${t}`;
      await client.query('INSERT INTO posts (id) VALUES ($1)', [id]);
      const data = { counts: counts(), id };
      const thread = startProducer(shards, data, async ({ shards, like, put, data }) => {
        for (;;) {
          const calls = [];
          for (let i = 0; i < 50; i++) {
            Atomics.add(data.counts, 0, 1);
            const call = shards.submit(like(data.id)).then(() => Atomics.add(data.counts, 1, 1));
            calls.push(call, ...(i % 10 === 0 ? [shards.submit(put(data.id, new Uint8Array(9_000)))] : []));
          }
          await Promise.all(calls);
        }
      });
      threads.push({ counts: data.counts, id, until: Math.floor(Math.random() * 2_000), thread });
    }
    await Promise.all(
      threads.map(async ({ counts, until, thread }) => {
        await expect
          .poll(() => Atomics.load(counts, Count.attempted), { interval: 1, timeout: 30_000 })
          .toBeGreaterThan(until);
        await thread.worker.terminate();
        await thread.link.released;
      }),
    );
    await shards.flush();
    for (const { counts, id } of threads) {
      const applied = Number(await likesOf(client, id));
      expect(applied).toBeGreaterThanOrEqual(counts[Count.acknowledged] as number);
      expect(applied).toBeLessThanOrEqual(counts[Count.attempted] as number);
    }
    expect(shards.stats()).toMatchObject(nothingIsPending);
  }
});

/** Submits until told to stop; resolves with how often it was acknowledged, and what failed. */
function startLoad(shards: Parameters<typeof startProducer>[0], id: string, counts: Int32Array) {
  return startProducer(shards, { id, counts }, async ({ shards, like, put, readLikes, data }) => {
    const failures: string[] = [];
    while (Atomics.load(data.counts, 2) === 0) {
      const calls: Promise<unknown>[] = [];
      for (let i = 0; i < 40; i++) {
        const id = i % 2 === 0 ? data.id : 'hot';
        const call = shards.submit(like(id, { batchKey: `${i % 8}` }));
        calls.push(
          call.then(
            () => void Atomics.add(data.counts, 1, 1),
            (error) => void failures.push(String(error)),
          ),
        );
      }
      calls.push(shards.read(readLikes(data.id)), shards.flush());
      for (let i = 0; i < 4; i++)
        calls.push(shards.submit(put(`${data.id}-${i}`, new Uint8Array(9_000).fill(i))));
      await Promise.all(calls);
    }
    await shards.close();
    return failures;
  });
}

async function underLoad(
  shards: Parameters<typeof startProducer>[0],
  disturb: (loads: Int32Array[]) => Promise<void>,
): Promise<{ acknowledged: number[] }> {
  const loads = [counts(), counts(), counts()];
  const threads = loads.map((counts, t) => startLoad(shards, `own${t}`, counts));
  await disturb(loads);
  for (const counts of loads) Atomics.store(counts, Count.stop, 1);
  for (const { result, link } of threads) {
    expect(await result).toEqual([]);
    await link.released;
  }
  await shards.flush();
  return { acknowledged: loads.map((counts) => counts[Count.acknowledged] as number) };
}

const OWN_AND_HOT = `INSERT INTO posts (id) VALUES ('own0'), ('own1'), ('own2'), ('hot')`;

async function expectExact(client: Awaited<ReturnType<typeof connect>>, acknowledged: number[]) {
  for (const [t, count] of acknowledged.entries()) {
    expect(await likesOf(client, `own${t}`)).toBe(String(count / 2));
  }
  expect(await likesOf(client, 'hot')).toBe(String(acknowledged.reduce((sum, count) => sum + count / 2, 0)));
}

test('shard threads are terminated under the load of several threads: every call settles, nothing is lost or doubled', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(OWN_AND_HOT);
  const { opened, workers } = await watched(() =>
    openShards(dsn, always({ batchSize: 1, ringBytes: 4096, pendingMax: 200 })),
  );
  const { shards, event } = opened;
  const isShard = new Set(workers);
  const { acknowledged } = await underLoad(shards, async (loads) => {
    for (let kill = 0; kill < ROUNDS; kill++) {
      const before = loads.map((counts) => Atomics.load(counts, Count.acknowledged));
      await expect
        .poll(
          () => loads.every((counts, t) => (counts[Count.acknowledged] as number) > (before[t] as number)),
          {
            interval: 5,
            timeout: 30_000,
          },
        )
        .toBe(true);
      // Each thread that took another's place came last; those of the producers came in between.
      const victim = workers.findLast((worker) => isShard.has(worker) && worker.threadId !== -1) as Worker;
      const known = workers.length;
      await victim.terminate();
      await event('shard:thread:restarted');
      await expect.poll(() => workers.length).toBeGreaterThan(known);
      for (const worker of workers.slice(known)) isShard.add(worker);
    }
  });
  await expectExact(client, acknowledged);
  expect(shards.stats()).toMatchObject(nothingIsPending);
});

test.each([
  ['after an acknowledgement', 'shard:batch:acknowledged=throw:20'],
  ['in the middle of a drain', 'shard:operation:decoded=throw:333'],
  ['between the log and the acknowledgement', 'log:sync:after=exit:20'],
  ['with the COMMIT sent', 'flush:commit:sent=exit:10'],
])(
  'a shard thread that dies %s is read on by the next one, for every thread that writes',
  async (_, points) => {
    const { dsn, client } = await openDatabase();
    await client.query(OWN_AND_HOT);
    arm(points);
    const { shards, event } = await openShards(dsn, always({ batchSize: 1, shards: 1 }));
    disarm();
    const { acknowledged } = await underLoad(
      shards,
      async () => void (await event('shard:thread:restarted')),
    );
    await expectExact(client, acknowledged);
    expect(shards.stats()).toMatchObject(nothingIsPending);
  },
);

test('what another thread wrote without a log, and its shard lost, is never reported as applied', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { opened, workers } = await watched(() => openShards(dsn, { shards: 1 }));
  const { shards, event } = opened;
  const [shard] = workers as [Worker];
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const { result, message } = startProducer(shards, { gate }, async ({ shards, like, data, post }) => {
    const lost = await shards.submit(like('a'));
    const asked = lost.applied.then(
      () => 'applied',
      (error) => error.code as string,
    );
    const logged = await shards.submit(like('a', { operand: 10 }), { durability: 'always' });
    const written = logged.applied.then(
      () => 'applied',
      (error) => error.code as string,
    );
    // Its event loop stands still while the shard dies and goes on. In this phase of it: then timers come
    // before messages, so it looks at its rings before it hears of the death.
    await new Promise((resolve) => setImmediate(resolve));
    post('acknowledged');
    Atomics.wait(data.gate, 0, 0);
    return [await asked, await written, await lost.durable.catch((error) => error.code as string)];
  });
  expect(await message()).toBe('acknowledged');
  await shard.terminate();
  await event('shard:thread:restarted');
  await shards.submit(like('a', { operand: 100 }));
  await shards.flush(); // by the next thread, which tells all producers how far it is
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  expect(await result).toEqual(['SHARD', 'applied', 'SHARD']);
  expect(await likesOf(client, 'a')).toBe('110');
});

test('a thread that begins to write after its shard has died is told as well', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { opened, workers } = await watched(() => openShards(dsn, always({ shards: 1 })));
  const { shards, event } = opened;
  const link = shards.openProducer();
  await workers[0]?.terminate();
  await event('shard:thread:restarted');
  await shards.submit(like('a')); // the next thread runs
  const attached = connectShards(link.handle);
  const { applied } = await attached.submit(like('a'));
  await attached.flush();
  await applied;
  await attached.close();
  await link.released;
  expect(await likesOf(client, 'a')).toBe('2');
});

test('a refusal is seen by the thread that it is meant for, not by one that had its memory before', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  arm('log:append:before=ENOSPC:1:1,log:segment:create=ENOSPC:1:1');
  const { shards } = await openShards(dsn, always({ shards: 1 }));
  disarm();
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const first = shards.openProducer();
  const gone = connectShards(first.handle);
  const receipt = await gone.submit(like('a'));
  const applied = receipt.applied; // its bell is listened to, and stays so
  applied.catch(() => {});
  await expect(gone.close({ timeoutMs: 1 })).rejects.toBeInstanceOf(ClosedError);
  await expect(applied).rejects.toBeInstanceOf(ClosedError);
  await first.released;
  const second = shards.openProducer();
  expect(second.handle.bell).toBe(first.handle.bell);
  const attached = connectShards(second.handle);
  const refused = await Promise.allSettled(
    [10, 100].map((operand) => attached.submit(like('a', { operand }))),
  );
  expect(refused).toEqual([10, 100].map(() => ({ status: 'rejected', reason: expect.any(LogError) })));
  await blocker.query('COMMIT');
  await blocker.end();
  await attached.flush();
  await attached.close();
  expect(await likesOf(client, 'a')).toBe('1');
});

test('a shard that is given up rejects what waits in every thread, and says why; also in one that comes later', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards, event } = await openShards(dsn, always({ shards: 1 }));
  const calls = async ({ shards, like, readLikes, post }: Inside<undefined>) => {
    const codes: string[] = [];
    const receipt = await shards.submit(like('a')).catch((error) => void codes.push(error.code));
    post('acknowledged');
    const flushed = shards.flush();
    for (const call of [receipt?.applied, flushed, shards.read(readLikes('a')), shards.submit(like('a'))]) {
      codes.push((await call?.then(String, (error) => error.code)) as string);
    }
    await shards.close();
    return codes;
  };
  await client.query('UPDATE zmsg_progress SET epoch = epoch + 1'); // somebody else owns the log now
  const early = startProducer(shards, undefined, calls);
  expect(await early.message()).toBe('acknowledged');
  expect((await event('shard:thread:failed')).error).toBeInstanceOf(FencedError);
  const [applied, flushed] = await early.result;
  expect([applied, flushed]).toEqual(['FENCED', 'FENCED']);
  const late = startProducer(shards, undefined, calls);
  expect(await late.result).toEqual(['FENCED', undefined, 'FENCED', 'FENCED', 'FENCED']);
  await Promise.all([early.link.released, late.link.released]);
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, pendingBytes: 0 });
  await expect(shards.close()).rejects.toBeInstanceOf(FencedError);
});

test('a record that a thread began to write is not seen, and what it had reserved comes free', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards, events } = await openShards(dsn, always({ shards: 1 }));
  const { worker, link, message } = startProducer(
    shards,
    undefined,
    async ({ shards, like, handle, post }) => {
      await shards.submit(like('a'));
      // As `submit` is when the thread ends between its reservation and the end of its copy.
      const [account, board, ring] = [handle.account, handle.board, handle.rings[0] as SharedArrayBuffer].map(
        (memory) => new Int32Array(memory),
      ) as [Int32Array, Int32Array, Int32Array];
      for (const [count, words] of [
        [0, account],
        [0, board],
        [1, account],
        [4, board],
      ] as const) {
        words[count] = (words[count] as number) + (count === 0 ? 1 : 3);
      }
      const head = 32 + ((ring[0] as number) >> 2);
      ring.set([192, 2, 0x1234_5678], head);
      post('torn');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    },
  );
  expect(await message()).toBe('torn');
  expect(shards.stats()).toMatchObject({ pendingOperations: 2, producers: 2 });
  await shards.submit(like('a'));
  await worker.terminate();
  await link.released;
  expect(shards.stats()).toMatchObject({ pendingOperations: 2, producers: 1 });
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('2');
  expect(shards.stats()).toMatchObject(nothingIsPending);
  expect(events.map(({ type }) => type)).not.toContain('shard:thread:restarted');
});

test('a thread that ends before it hears that its writes were refused does not hold its shard up', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  arm('log:append:before=ENOSPC:1:1,log:segment:create=ENOSPC:1:1');
  const { shards, event } = await openShards(dsn, always({ shards: 1 }));
  disarm();
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const thread = startProducer(shards, { gate }, async ({ shards, like, data, post }) => {
    await shards.submit(like('a'));
    void shards.submit(like('a', { operand: 100 })).catch(() => {});
    await undefined; // the shard is woken at the end of the tick
    await undefined;
    post('submitted');
    Atomics.wait(data.gate, 0, 0);
    // Behind what was refused, which it does not come to see.
    void shards.submit(like('a', { operand: 10 }), { durability: 'off' });
    await undefined;
    await undefined;
    post('again');
    Atomics.wait(data.gate, 0, 1);
  });
  expect(await thread.message()).toBe('submitted');
  expect(await event('log:write:failed')).toMatchObject({ operations: 1 });
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  expect(await thread.message()).toBe('again');
  await thread.worker.terminate();
  await thread.link.released;
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('11');
  expect(shards.stats()).toMatchObject(nothingIsPending);
});
