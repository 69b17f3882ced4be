import { expect, test } from 'vitest';
import { startProducer } from './producer-thread.js';
import { like, likesOf, openDatabase, openShards } from './shard-fixture.js';

test('threads write to the same rows and to their own, read what is pending, and flush; every sum is exact', async () => {
  const { dsn, client } = await openDatabase();
  const threads = 3;
  const each = 2_000;
  await client.query(`INSERT INTO posts (id) SELECT 'own' || i FROM generate_series(0, 9) i`);
  await client.query(`INSERT INTO posts (id) VALUES ('hot')`);
  const { shards } = await openShards(dsn);
  const running = Array.from({ length: threads }, (_, t) =>
    startProducer(shards, { t, each }, async ({ shards, like, data }) => {
      const calls = [];
      for (let i = 0; i < data.each; i++) {
        calls.push(shards.submit(like('hot')), shards.submit(like(`own${data.t}`, { operand: i })));
        if (i % 256 === 0) await Promise.all(calls.splice(0));
      }
      await Promise.all(calls);
      const where = { text: 'id = ?', parts: ['id = ', ''], values: [`own${data.t}`] };
      const { value } = (await shards.read({
        ...{ kind: 'counter', table: 'posts', column: 'likes', op: 'get', where },
        ...{ key: undefined, batchKey: undefined, orInsert: undefined, text: '', values: [] },
      } as never)) as { value: number };
      const receipt = await shards.submit(like('hot', { operand: 0 }));
      await shards.flush();
      await receipt.applied;
      const { operations } = shards.stats();
      await shards.close();
      return { value, operations };
    }),
  );
  const mine = Array.from({ length: each }, () => shards.submit(like('hot')));
  await Promise.all(mine);
  for (const { result, link } of running) {
    const { value, operations } = await result;
    expect(value).toBe((each * (each - 1)) / 2);
    expect(operations).toBeGreaterThan(each);
    await link.released;
  }
  await shards.flush();
  expect(await likesOf(client, 'hot')).toBe(String(each * (threads + 1)));
  for (let t = 0; t < threads; t++)
    expect(await likesOf(client, `own${t}`)).toBe(String((each * (each - 1)) / 2));
  expect(shards.stats()).toMatchObject({ pendingOperations: 0, pendingBytes: 0 });
});
