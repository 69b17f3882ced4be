import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { ClosedError, FencedError, InvalidValueError, StoreError, startShards } from '../dist/index.js';
import { connect, freshLogDir, like, likesOf, openDatabase, openShards, readLikes } from './shard-fixture.js';

const index = new URL('../dist/index.js', import.meta.url).href;

/** Runs a program that has `shards` and `like`; resolves with its exit code and output. */
async function runChild(dsn: string, body: string): Promise<{ code: number | null; output: string }> {
  const options = `{
    store: { connectionString: '${dsn}', maxConnections: 4, maxLifetimeMs: 300000, singleSession: false },
    shards: 4, batchSize: 1000, batchIntervalMs: 600000, ringBytes: 65536, pendingMax: 100000, onFull: 'wait',
    pendingMaxBytes: 2 ** 28, log: { dir: '${freshLogDir()}', durability: 'off', syncIntervalMs: 1000 },
    onEvent: () => {} }`;
  const source = `
    import { startShards } from '${index}';
    const shards = await startShards(${options});
    const where = { text: 'id = ?', parts: ['id = ', ''], values: ['a'] };
    const like = { kind: 'counter', table: 'posts', column: 'likes', op: 'inc', operand: 1, where,
      batchKey: undefined, orInsert: undefined, text: '', values: [] };
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = await once(child, 'exit');
  return { code, output };
}

test('close writes everything that was acknowledged, also under load', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) SELECT 'p' || i FROM generate_series(0, 49) AS g(i)`);
  const { shards } = await openShards(dsn, { shards: 4, batchSize: 5, ringBytes: 4096 });
  let acknowledged = 0;
  let refused: unknown;
  const load = async (worker: number) => {
    for (let i = 0; refused === undefined; i++) {
      try {
        await shards.submit(like(`p${(worker + i) % 50}`));
        acknowledged += 1;
      } catch (error) {
        refused = error;
      }
    }
  };
  const loads = Array.from({ length: 100 }, (_, worker) => load(worker));
  while (acknowledged < 5000) await new Promise((resolve) => setImmediate(resolve));
  const closed = shards.close();
  expect(shards.close()).toBe(closed);
  await closed;
  await Promise.all(loads);
  expect(refused).toBeInstanceOf(ClosedError);
  expect((await client.query('SELECT sum(likes)::int AS n FROM posts')).rows[0].n).toBe(acknowledged);
  expect((await client.query('SELECT count(*)::int AS n FROM zmsg_progress')).rows[0].n).toBe(0);
});

test('everything after close rejects with ClosedError', async () => {
  const { dsn } = await openDatabase();
  const { shards } = await openShards(dsn);
  await shards.close();
  await expect(shards.submit(like('a'))).rejects.toBeInstanceOf(ClosedError);
  await expect(shards.read(readLikes('a'))).rejects.toBeInstanceOf(ClosedError);
  await expect(shards.flush()).rejects.toBeInstanceOf(ClosedError);
  await shards.close();
});

test('close gives up after its time-out and says how many operations were not written', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const blocker = await connect(dsn);
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE posts');
  const { shards } = await openShards(dsn);
  const { applied } = await shards.submit(like('a'));
  applied.catch(() => {});
  await shards.submit(like('a'));
  const closed = shards.close({ timeoutMs: 200 });
  await expect(closed).rejects.toBeInstanceOf(StoreError);
  await expect(closed).rejects.toThrow(/^2 operations/);
  await expect(applied).rejects.toBeInstanceOf(ClosedError);
  await blocker.end();
});

test('a program that closes its shards ends by itself, with everything written', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const { code, output } = await runChild(
    dsn,
    'for (let i = 0; i < 1000; i++) await shards.submit(like); await shards.close();',
  );
  expect({ code, output }).toEqual({ code: 0, output: '' });
  expect(await likesOf(client, 'a')).toBe('1000');
});

test('shards that are not closed keep the process alive until it is told to exit', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) VALUES ('a')`);
  const waits = `
    const receipt = await shards.submit(like);
    setTimeout(() => shards.flush(), 100).unref();
    receipt.applied.then(() => process.exit(3));`;
  expect(await runChild(dsn, waits)).toEqual({ code: 3, output: '' });
  expect(await likesOf(client, 'a')).toBe('1');
  const fails = `await shards.submit(like); throw new Error('on purpose');`;
  const { code, output } = await runChild(dsn, fails);
  expect(code).toBe(1);
  expect(output).toContain('on purpose');
});

test('a shard whose mark was taken over writes nothing more, and everyone who waits for it hears of it', async () => {
  const { dsn, client } = await openDatabase();
  await client.query(`INSERT INTO posts (id) SELECT 'p' || i FROM generate_series(0, 19) AS g(i)`);
  const { shards, event } = await openShards(dsn, { shards: 2 });
  const all = (operand: number) =>
    Promise.all(Array.from({ length: 20 }, (_, i) => shards.submit(like(`p${i}`, { operand }))));
  await all(1);
  await shards.flush();
  await client.query('UPDATE zmsg_progress SET epoch = epoch + 1 WHERE shard = 1');
  const receipts = await all(100);
  const applied = Promise.allSettled(receipts.map((receipt) => receipt.applied));
  await expect(shards.flush()).rejects.toBeInstanceOf(FencedError);
  expect(await event('shard:thread:failed')).toMatchObject({ shard: 1, error: { code: 'FENCED' } });
  const { rows } = await client.query(
    'SELECT likes::int, count(*)::int AS n FROM posts GROUP BY likes ORDER BY likes',
  );
  const fenced = (await applied).filter((outcome) => outcome.status === 'rejected');
  expect(rows).toEqual([
    { likes: 1, n: fenced.length },
    { likes: 101, n: 20 - fenced.length },
  ]);
  for (const { reason } of fenced) expect(reason).toBeInstanceOf(FencedError);

  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => shards.submit(like(`p${i}`))),
  );
  expect(outcomes.filter((outcome) => outcome.status === 'rejected')).toHaveLength(fenced.length);
  const reads = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => shards.read(readLikes(`p${i}`))),
  );
  expect(reads.filter((outcome) => outcome.status === 'rejected')).toHaveLength(fenced.length);
  await expect(shards.close()).rejects.toBeInstanceOf(FencedError);
  const sum = await client.query('SELECT sum(likes)::int AS n FROM posts WHERE likes > 1');
  expect(sum.rows[0].n).toBe((20 - fenced.length) * 102);
});

test.each([
  ['shards', 0],
  ['batchSize', 1.5],
  ['ringBytes', 1000],
  ['pendingMax', -1],
  ['pendingMaxBytes', 0],
  ['batchIntervalMs', Number.NaN],
])('%s = %d is refused', async (name, value) => {
  const options = {
    store: { connectionString: '', maxConnections: 1, maxLifetimeMs: 1, singleSession: false },
    shards: 1,
    batchSize: 1,
    batchIntervalMs: 1,
    ringBytes: 1024,
    pendingMax: 1,
    pendingMaxBytes: 2 ** 20,
    log: { dir: '', durability: 'off' as const, syncIntervalMs: 1000 },
    onFull: 'wait' as const,
    onEvent: () => {},
  };
  await expect(startShards({ ...options, [name]: value })).rejects.toBeInstanceOf(InvalidValueError);
});
