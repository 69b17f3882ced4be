import { once } from 'node:events';
import { expect, test } from 'vitest';
import { BackpressureError, ClosedError, connectShards, StoreError } from '../dist/index.js';
import { startProducer } from './producer-thread.js';
import { connect, like, likesOf, openDatabase, openShards, readLikes } from './shard-fixture.js';

const nothingIsPending = { pendingOperations: 0, pendingBytes: 0, producers: 1 };

test('threads write to the same rows and to their own, read what is pending, and flush: every sum is exact', async () => {
  const { dsn, client } = await openDatabase();
  const threads = 3;
  const each = 2_000;
  await client.query(`INSERT INTO posts (id) SELECT 'own' || i FROM generate_series(0, 9) i`);
  await client.query(`INSERT INTO posts (id) VALUES ('hot')`);
  const { shards } = await openShards(dsn);
  const running = Array.from({ length: threads }, (_, t) =>
    startProducer(shards, { own: `own${t}`, each }, async ({ shards, like, readLikes, data }) => {
      const calls = [];
      for (let i = 0; i < data.each; i++) {
        calls.push(shards.submit(like('hot')), shards.submit(like(data.own, { operand: i })));
        if (i % 256 === 0) await Promise.all(calls.splice(0));
      }
      await Promise.all(calls);
      const found = await shards.read(readLikes(data.own));
      const receipt = await shards.submit(like('hot', { operand: 0 }));
      await shards.flush();
      await receipt.applied;
      const { operations, producers } = shards.stats();
      await shards.close();
      return { found, operations, producers };
    }),
  );
  await Promise.all(Array.from({ length: each }, () => shards.submit(like('hot'))));
  const sum = (each * (each - 1)) / 2;
  for (const { result, link } of running) {
    const { found, operations, producers } = await result;
    expect(found).toEqual({ value: sum });
    expect(operations).toBeGreaterThan(each);
    expect(producers).toBeGreaterThan(1);
    await link.released;
  }
  await shards.flush();
  expect(await likesOf(client, 'hot')).toBe(String(each * (threads + 1)));
  for (let t = 0; t < threads; t++) expect(await likesOf(client, `own${t}`)).toBe(String(sum));
  expect(shards.stats()).toMatchObject(nothingIsPending);
});

test('each thread keeps its order under one batch key, while rings are full and flushes run', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id, tags) SELECT i, '[]' FROM generate_series(0, 3) i`);
  const { shards } = await openShards(dsn, { ringBytes: 2048, batchSize: 1, pendingMax: 300 });
  const each = 600;
  const running = [1, 2, 3].map((t) =>
    startProducer(shards, { t, each }, async ({ shards, like, tag, data }) => {
      const calls = [];
      const key = { batchKey: 'one for all' };
      for (let i = 0; i < data.each; i++) {
        const op = (['inc', 'mul', 'set', 'inc', 'dec'] as const)[i % 5] ?? 'clean';
        const operand = op === 'mul' ? -1 : i;
        calls.push(shards.submit(like(`${data.t}`, { ...key, op, operand })));
        calls.push(shards.submit(tag('0', { ...key, operand: `[${data.t},${i}]` })));
      }
      await Promise.all(calls);
      await shards.close();
    }),
  );
  await Promise.all(running.map(({ result }) => result));
  await shards.flush();
  let expected = 0;
  for (let i = 0; i < each; i++) {
    expected = [expected + i, -expected, i, expected + i, expected - i][i % 5] as number;
  }
  for (const t of [1, 2, 3]) expect(await likesOf(client, t)).toBe(String(expected));
  const { rows } = await client.query(`SELECT tags FROM posts WHERE id = '0'`);
  const tags = rows[0].tags as [number, number][];
  for (const t of [1, 2, 3]) {
    const own = tags.filter(([thread]) => thread === t).map(([, i]) => i);
    expect(own).toEqual(Array.from({ length: each }, (_, i) => i));
  }
});

test('what may be pending is bounded over all threads, and those that wait are told by a flush', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a'), ('b')`);
  const { shards } = await openShards(dsn, { pendingMax: 50 });
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const acknowledged = new Int32Array(new SharedArrayBuffer(4));
  const running = [0, 1, 2].map(() =>
    startProducer(shards, { acknowledged }, async ({ shards, like, data, post }) => {
      const calls = Array.from({ length: 40 }, () =>
        shards.submit(like('a')).then(() => Atomics.add(data.acknowledged, 0, 1)),
      );
      post('submitted');
      await Promise.all(calls);
      await shards.close();
    }),
  );
  const doomed = startProducer(shards, undefined, async ({ shards, like, post }) => {
    const calls = Array.from({ length: 60 }, () => shards.submit(like('b')));
    post('submitted');
    await Promise.all(calls);
  });
  for (const thread of [...running, doomed]) expect(await thread.message()).toBe('submitted');
  // Until then nothing but acknowledgements can come: 180 calls, room for 50.
  await expect.poll(() => shards.stats().pendingOperations).toBe(50);
  await expect.poll(() => shards.stats().operations).toBe(50);
  expect(Atomics.load(acknowledged, 0)).toBeLessThanOrEqual(50);
  await doomed.worker.terminate(); // while it waits for room, and makes the shards hurry
  await blocker.query('COMMIT');
  await blocker.end();
  await Promise.all(running.map(({ result }) => result));
  await doomed.link.released;
  await Promise.all(running.map(({ link }) => link.released));
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('120');
  expect(shards.stats()).toMatchObject(nothingIsPending);
  // Its pressure went with it: else what is pending would be flushed before a read is answered.
  await shards.submit(like('a'));
  await shards.read(readLikes('b'));
  await shards.read(readLikes('a'));
  expect(shards.stats().pendingOperations).toBe(1);
});

test('producers come and go: their memory is used again, and nothing of them stays', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { ringBytes: 4096 });
  const rings = new Set<SharedArrayBuffer>();
  const ids = new Set<number>();
  for (let i = 0; i < 200; i++) {
    const link = shards.openProducer();
    ids.add(link.handle.id);
    for (const ring of link.handle.rings) rings.add(ring);
    const attached = connectShards(link.handle);
    const calls = Array.from({ length: 3 }, () => attached.submit(like('a')));
    if (i % 2 === 0) await attached.close();
    else await Promise.all([link.release(), ...calls]); // the owner asks for it
    await link.released;
    await expect(attached.submit(like('a'))).rejects.toBeInstanceOf(ClosedError);
    await Promise.all(calls);
    expect(shards.stats()).toMatchObject({ pendingOperations: 3 * (i + 1), producers: 1 });
  }
  expect(ids.size).toBe(200);
  expect(rings.size).toBe(2);
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('600');
  expect(shards.stats()).toMatchObject(nothingIsPending);
});

test('a handle serves one thread once, and can be taken back before', async () => {
  const { dsn } = await openDatabase();
  const { shards } = await openShards(dsn);
  const used = shards.openProducer();
  const attached = connectShards(used.handle);
  expect(() => connectShards(used.handle)).toThrow(ClosedError);
  await attached.close();
  await used.released;
  const unused = shards.openProducer();
  await unused.release();
  expect(() => connectShards(unused.handle)).toThrow(ClosedError);
  expect(shards.stats().producers).toBe(1);
  await shards.close();
  expect(() => shards.openProducer()).toThrow(ClosedError);
});

test('a commit that comes after a thread was forgotten tells the next owner of its memory nothing', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards, event } = await openShards(dsn, { shards: 1 });
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const first = shards.openProducer();
  const gone = connectShards(first.handle);
  await Promise.all(Array.from({ length: 5 }, () => gone.submit(like('a'))));
  const flushed = shards.flush();
  const { rows } = { rows: [] as unknown[] };
  while (rows.length === 0) {
    rows.push(
      ...(await client.query(`SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'posts'::regclass`))
        .rows,
    );
  }
  await gone.close(); // its operations are in the flush that waits for the lock
  await first.released;
  const second = shards.openProducer();
  expect(second.handle.rings[0]).toBe(first.handle.rings[0]);
  const next = connectShards(second.handle);
  const receipts = await Promise.all(Array.from({ length: 5 }, () => next.submit(like('a'))));
  let applied = 0;
  for (const receipt of receipts) void receipt.applied.then(() => (applied += 1));
  await blocker.query('COMMIT');
  await blocker.end();
  await flushed;
  await event('flush:transaction:committed');
  await next.read(readLikes('a')); // by then it would have been told
  expect(applied).toBe(0);
  expect(await likesOf(client, 'a')).toBe('5');
  await next.flush();
  await Promise.all(receipts.map((receipt) => receipt.applied));
  await next.close();
});

test('the owner closes while threads submit: every call settles, and what was acknowledged is written', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { ringBytes: 4096, pendingMax: 2_000, batchSize: 1 });
  const started = new Int32Array(new SharedArrayBuffer(4));
  const running = [0, 1, 2].map(() =>
    startProducer(shards, { started }, async ({ shards, like, data }) => {
      Atomics.add(data.started, 0, 1);
      const outcome = { acknowledged: 0, attempted: 0, others: [] as string[] };
      for (let isOpen = true; isOpen; ) {
        const calls = Array.from({ length: 100 }, () => shards.submit(like('a')));
        const flushed = Promise.allSettled([shards.flush()]);
        outcome.attempted += calls.length;
        for (const call of await Promise.allSettled(calls)) {
          if (call.status === 'fulfilled') outcome.acknowledged += 1;
          else if (call.reason.code === 'CLOSED') isOpen = false;
          else outcome.others.push(String(call.reason));
        }
        await flushed;
      }
      await shards.close();
      return outcome;
    }),
  );
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const deaf = startProducer(shards, { gate }, async ({ shards, like, data, post }) => {
    await shards.submit(like('a'));
    post('acknowledged');
    Atomics.wait(data.gate, 0, 0); // hears nothing for as long
    post(await shards.submit(like('a')).then(String, (error) => error.code));
  });
  expect(await deaf.message()).toBe('acknowledged');
  await expect.poll(() => Atomics.load(started, 0)).toBe(3);
  await shards.close();
  const [reader] = [await connect(dsn)];
  const outcomes = await Promise.all(running.map(({ result }) => result));
  const applied = Number(await likesOf(reader, 'a'));
  await reader.end();
  const sum = (count: 'acknowledged' | 'attempted') =>
    outcomes.reduce((total, outcome) => total + outcome[count], 0) + 1;
  expect(outcomes.flatMap(({ others }) => others)).toEqual([]);
  expect(applied).toBeGreaterThanOrEqual(sum('acknowledged'));
  expect(applied).toBeLessThanOrEqual(sum('attempted'));
  await Promise.all(running.map(({ link }) => link.released));
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  expect(await deaf.message()).toBe('CLOSED');
  await deaf.link.released;
});

test('a call that begins after the owner began to close is refused, one before is brought to its end', async () => {
  const { dsn } = await openDatabase();
  const client = await connect(dsn);
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { ringBytes: 1024, pendingMax: 50 });
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const { result, message } = startProducer(shards, { gate }, async ({ shards, like, data, post }) => {
    const early = Array.from({ length: 500 }, () => shards.submit(like('a')));
    post('submitted'); // most of it has no room yet
    Atomics.wait(data.gate, 0, 0);
    const late = shards.submit(like('a')); // it has not heard of anything
    const outcomes = await Promise.allSettled([late, ...early]);
    return outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : outcome.status));
  });
  expect(await message()).toBe('submitted');
  const closed = shards.close();
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  expect(await result).toEqual(['CLOSED', ...Array.from({ length: 500 }, () => 'fulfilled')]);
  await closed;
  expect(await likesOf(client, 'a')).toBe('500');
  await client.end();
});

test('an owner that cannot write waits no longer than it wants to: calls in threads reject, and the threads end', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { pendingMax: 10 });
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const { result, worker, link, message } = startProducer(
    shards,
    10,
    async ({ shards, like, post, data }) => {
      const codeOf = (error: { code: string }) => error.code;
      const taken = await Promise.all(Array.from({ length: data }, () => shards.submit(like('a'))));
      const calls = [taken[0]?.applied, shards.submit(like('a')), shards.flush()];
      const outcomes = Promise.all(calls.map((call) => call?.then(String, codeOf)));
      post('waiting');
      return outcomes;
    },
  );
  expect(await message()).toBe('waiting');
  await expect(shards.close({ timeoutMs: 300 })).rejects.toBeInstanceOf(StoreError);
  expect(await result).toEqual(['CLOSED', 'CLOSED', 'CLOSED']);
  if (worker.threadId !== -1) await once(worker, 'exit');
  await link.released;
  await blocker.query('COMMIT');
  await blocker.end();
});

test('a thread closes with receipts that wait for a commit: they resolve; one that cannot, rejects in time', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn, { onFull: 'reject', pendingMax: 10 });
  const link = shards.openProducer();
  const attached = connectShards(link.handle);
  const { applied } = await attached.submit(like('a'));
  const told = applied.then(() => likesOf(client, 'a'));
  await attached.close();
  expect(await told).toBe('1');
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const stuck = connectShards(shards.openProducer().handle);
  const receipt = await stuck.submit(like('a'));
  const waiting = receipt.applied;
  waiting.catch(() => {});
  await expect(stuck.close({ timeoutMs: 1 })).rejects.toBeInstanceOf(ClosedError);
  await expect(waiting).rejects.toBeInstanceOf(ClosedError);
  const full = await Promise.allSettled(Array.from({ length: 10 }, () => shards.submit(like('a'))));
  const refused = full.filter((outcome) => outcome.status === 'rejected');
  expect(refused).toHaveLength(1); // what the thread left behind is pending until it is committed
  expect(refused[0]?.reason).toBeInstanceOf(BackpressureError);
  await blocker.query('COMMIT');
  await blocker.end();
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('11');
});

test('a thread that returns without a word is let go, and its event loop is not kept alive', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { shards } = await openShards(dsn);
  const { worker, link, result } = startProducer(shards, undefined, async ({ shards, like }) => {
    await shards.submit(like('a'));
  });
  if (worker.threadId !== -1) await once(worker, 'exit');
  await result;
  await link.released;
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('1');
  expect(shards.stats()).toMatchObject(nothingIsPending);
});
