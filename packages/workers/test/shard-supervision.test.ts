import { randomBytes } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { LogError, ShardError, type ShardsOptions } from '../dist/index.js';
import { crashAfter, optionsOf } from './crash.js';
import {
  connect,
  content,
  freshLogDir,
  like,
  likesOf,
  openDatabase,
  openShards,
  put,
  readLikes,
  tag,
} from './shard-fixture.js';

function always(over: Partial<ShardsOptions> = {}): Partial<ShardsOptions> {
  return { log: { dir: freshLogDir(), durability: 'always', syncIntervalMs: 600_000 }, shards: 1, ...over };
}

/** The threads that start from here on. */
function threads(): Worker[] {
  const workers: Worker[] = [];
  const onWorker = (worker: Worker) => workers.push(worker);
  process.on('worker', onWorker);
  onTestFinished(() => void process.off('worker', onWorker));
  return workers;
}

/** Arms failpoints in threads that start from here on. */
function arm(points: string): void {
  process.env.ZMSG_FAILPOINTS = points;
  onTestFinished(disarm);
}

function disarm(): void {
  delete process.env.ZMSG_FAILPOINTS;
}

test('a thread that is terminated is replaced, and everything acknowledged is applied once', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id, tags) VALUES ('a', '[]')`);
  const workers = threads();
  const { shards, event } = await openShards(dsn, always({ batchSize: 1, ringBytes: 4096 }));
  let submitted = 0;
  for (let round = 0; round < 4; round++) {
    const burst = Array.from({ length: 300 }, () => shards.submit(like('a')));
    burst.push(shards.submit(tag('a', { operand: `${round}` })));
    submitted += 300;
    const flushed = shards.flush();
    const read = shards.read(readLikes('a'));
    await workers.at(-1)?.terminate();
    const receipts = await Promise.all(burst);
    await flushed;
    expect(await read).toEqual({ value: submitted });
    await Promise.all(receipts.map(({ applied }) => applied));
    expect(await event('shard:thread:restarted')).toMatchObject({ shard: 0, lost: 0 });
    expect(await likesOf(client, 'a')).toBe(String(submitted));
  }
  expect((await client.query(`SELECT tags FROM posts`)).rows[0].tags).toEqual([0, 1, 2, 3]);
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, pendingBytes: 0 });
  await shards.close();
});

test.each([
  ['throws after an acknowledgement', 'shard:batch:acknowledged=throw:3'],
  ['throws in the middle of a drain', 'shard:operation:decoded=throw:40'],
  ['exits before the sync', 'log:sync:before=exit:2'],
  ['exits between the log and the acknowledgement', 'log:sync:after=exit:2'],
  ['exits with the COMMIT sent', 'flush:commit:sent=exit:1'],
  ['exits with the COMMIT answered', 'flush:commit:answered=exit:1'],
])('a thread that %s is replaced: no operation is lost, none is applied twice', async (_, points) => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  arm(points);
  const { shards, event } = await openShards(dsn, always({ batchSize: 1 }));
  disarm();
  for (let round = 0; round < 8; round++) {
    await Promise.all(Array.from({ length: 10 }, () => shards.submit(like('a'))));
    await shards.submit(content('UPDATE posts SET likes = likes + 1000 WHERE id = $1', ['a']));
    if (round % 3 === 0) await shards.flush();
  }
  await event('shard:thread:restarted');
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('8080');
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, pendingBytes: 0 });
  await shards.close();
});

test.each([
  ['with a part of it read', 'shard:batch:acknowledged=throw:20'],
  ['with all of it read', 'shard:operation:decoded=throw:2'],
])(
  'a thread that dies in the middle of a long record, %s, is replaced: it arrives whole',
  async (_, points) => {
    const { dsn, client } = await openDatabase();
    await client.query(`INSERT INTO posts (id) VALUES ('a')`);
    arm(points);
    const { shards, event } = await openShards(dsn, always({ ringBytes: 4096 }));
    disarm();
    const values = [200_000, 3_000, 90_000].map((length) => randomBytes(length));
    const calls: Promise<unknown>[] = values.map((value, i) => shards.submit(put(`${i}`, value)));
    await Promise.all([...calls, shards.submit(like('a'))]);
    await event('shard:thread:restarted');
    await shards.flush();
    const { rows } = await client.query('SELECT data FROM zmsg_data ORDER BY id');
    expect(rows.map(({ data }, i) => (data as Buffer).equals(values[i] as Buffer))).toEqual([
      true,
      true,
      true,
    ]);
    expect(await likesOf(client, 'a')).toBe('1');
    expect(shards.stats()).toMatchObject({ pendingOperations: 0, pendingBytes: 0 });
  },
);

test('a thread that runs out of memory is replaced', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = { dir: freshLogDir(), durability: 'always' as const, syncIntervalMs: 600_000 };
  const steps = Array.from({ length: 4 }, () => ({ submit: [like('a'), like('a')], flush: true }));
  const { acknowledged, stats } = await crashAfter(steps, optionsOf(dsn, log, { shards: 1 }), {
    NODE_OPTIONS: '--max-old-space-size=96',
    ZMSG_FAILPOINTS: 'shard:batch:acknowledged=oom:2',
  });
  expect(acknowledged).toBe(8);
  expect(stats).toMatchObject({ pendingOperations: 0 });
  expect(stats?.log.recovered).toBeGreaterThan(0);
  expect(await likesOf(client, 'a')).toBe('8');
});

test('what was taken without a log is lost with its thread, and its receipt says so', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const workers = threads();
  const { shards, event } = await openShards(dsn, { shards: 1 });
  const lost = await shards.submit(like('a'));
  const unasked = await shards.submit(like('a'));
  const logged = await shards.submit(like('a', { operand: 10 }), { durability: 'interval' });
  const applied = lost.applied;
  applied.catch(() => {});
  await workers[0]?.terminate();
  expect(await event('shard:thread:restarted')).toMatchObject({ lost: 2 });
  await expect(applied).rejects.toBeInstanceOf(ShardError);
  await shards.submit(like('a', { operand: 100 }));
  await shards.flush();
  await logged.applied;
  await expect(lost.applied).rejects.toBeInstanceOf(ShardError);
  await expect(unasked.applied).rejects.toBeInstanceOf(ShardError);
  await expect(unasked.durable).rejects.toBeInstanceOf(ShardError);
  expect(await likesOf(client, 'a')).toBe('110');
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, atRisk: { unflushedOperations: 0 } });
});

test('a shard that dies again and again is given up, nobody waits for ever, and its log is kept', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const options = always();
  arm('flush:begin:before=exit:0:1000');
  const { shards, event } = await openShards(dsn, options);
  const { applied } = await shards.submit(like('a'));
  applied.catch(() => {});
  const flushed = shards.flush();
  flushed.catch(() => {});
  expect((await event('shard:thread:failed')).error).toBeInstanceOf(ShardError);
  disarm();
  await expect(applied).rejects.toBeInstanceOf(ShardError);
  await expect(flushed).rejects.toBeInstanceOf(ShardError);
  await expect(shards.submit(like('a'))).rejects.toBeInstanceOf(ShardError);
  await expect(shards.read(readLikes('a'))).rejects.toBeInstanceOf(ShardError);
  expect(shards.stats().pendingOperations).toBe(0);
  await expect(shards.close()).rejects.toBeInstanceOf(ShardError);
  const after = await openShards(dsn, options);
  await after.shards.flush();
  expect(await likesOf(client, 'a')).toBe('1');
});

test('a thread dies while the database is away: calls wait, and go on when it is back', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const workers = threads();
  const { shards } = await openShards(dsn, always());
  await shards.submit(like('a'));
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE zmsg_progress');
  await workers[0]?.terminate();
  const call = shards.submit(like('a'));
  await blocker.query('ROLLBACK');
  await blocker.end();
  await call;
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe('2');
});

test.each(['log:append:before', 'log:sync:before'])(
  'a failure at %s costs nothing: a new segment takes over',
  async (point) => {
    const { dsn, client } = await openDatabase();
    await client.query(`INSERT INTO posts (id) VALUES ('a')`);
    const options = always();
    arm(`${point}=EIO:1`);
    const before = await openShards(dsn, options);
    disarm();
    for (let i = 0; i < 5; i++) await before.shards.submit(like('a'));
    expect(before.shards.stats().log.failures).toBe(0);
    await before.shards.flush();
    expect(await likesOf(client, 'a')).toBe('5');
  },
);

test('a log that cannot be written refuses the writes with LogError, and recovers by itself', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  arm('log:append:before=ENOSPC:1:1,log:segment:create=ENOSPC:1:2');
  const { shards, event } = await openShards(dsn, always());
  disarm();
  await shards.submit(like('a'));
  const outcomes: PromiseSettledResult<unknown>[] = [];
  let accepted = 1;
  while (accepted < 4) {
    const [outcome] = await Promise.allSettled([shards.submit(like('a'))]);
    outcomes.push(outcome);
    if (outcome.status === 'fulfilled') accepted += 1;
    else expect(outcome.reason).toBeInstanceOf(LogError);
  }
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused.length).toBeGreaterThan(1);
  for (const { reason } of refused) {
    expect(reason.cause).toMatchObject({ code: 'EIO' }); // the failpoint's error has no errno
  }
  expect(await event('log:write:failed')).toMatchObject({ shard: 0, operations: 1 });
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe(String(accepted));
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, pendingBytes: 0 });
});

test.each([
  'log:append:before',
  'log:append:after',
  'log:sync:before',
  'log:sync:after',
  'log:segment:create',
  'log:segment:rotated',
  'log:segment:delete',
  'log:segment:deleted',
  'flush:begin:before',
  'flush:statement:before',
  'flush:mark:before',
  'flush:commit:before',
  'flush:commit:sent',
  'flush:commit:answered',
  'shard:batch:acknowledged',
])('kill -9 at %s loses nothing and applies nothing twice', async (point) => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const log = {
    dir: freshLogDir(),
    durability: 'always' as const,
    syncIntervalMs: 600_000,
    segmentBytes: 8192,
  };
  const rounds = 6;
  const steps = Array.from({ length: rounds }, () => [
    { submit: Array.from({ length: 60 }, () => like('a')) },
    { submit: Array.from({ length: 60 }, () => like('a')), flush: true },
  ]).flat();
  const { acknowledged, stats } = await crashAfter(steps, optionsOf(dsn, log, { shards: 1 }), {
    ZMSG_FAILPOINTS: `${point}=kill:1`,
  });
  expect(stats).toBeUndefined(); // it died on the way
  const { shards } = await openShards(dsn, { log, shards: 1 });
  await shards.flush();
  const likes = Number(await likesOf(client, 'a'));
  // Of the step that was under way, some, all or none may be there.
  expect(likes).toBeGreaterThanOrEqual(acknowledged);
  expect(likes).toBeLessThanOrEqual(acknowledged + 60);
  await shards.submit(like('a'));
  await shards.flush();
  expect(await likesOf(client, 'a')).toBe(String(likes + 1));
});
