import { describe, expect, inject, test } from 'vitest';
import {
  counter,
  map,
  NotFoundError,
  slice,
  sql,
  table,
  type ZMsg,
  type ZMsgOptions,
} from '../dist/index.js';
import { holdRow } from './hold-row.js';
import type { Opened } from './open-engine.js';

const HELLO = Buffer.from('{"content":"Hello"}');

/** Every call of the engine; whoever opens it, in whatever thread, gets the same answers. */
export function engineContract(open: (options: ZMsgOptions) => Promise<Opened>): void {
  describe.each([
    ['PostgreSQL alone', () => ({})],
    ['PostgreSQL and Redis', () => ({ redisAddr: inject('redisAddr') })],
  ])('on %s', (_name, config) => {
    test('the first steps of the documentation work as written', async () => {
      const { zm } = await open(config());
      zm.loader('feed_', { table: 'feeds', key: 'id', columns: ['content'] });
      const id = zm.nextId('feed');
      expect(id).toMatch(/^feed_\d+$/);
      const stored = await zm.cacheAndStore(
        id,
        HELLO,
        sql('INSERT INTO feeds (id, content) VALUES (?, ?)', id, 'Hello'),
      );
      expect(stored.rowCount).toBe(1);
      expect(await zm.get(id)).toEqual(HELLO);
      await zm.del(id);
      expect(await zm.get(id)).toEqual(HELLO); // loaded from the table, as JSON of the loader's columns
      expect(zm.peek(id)).toEqual(HELLO);
    });

    test('a value written without a task is found on a cold cache', async () => {
      const first = await open(config());
      const value = Buffer.from([0, 1, 2, 255]);
      await first.zm.cacheAndStore('thing_1', value);
      await first.zm.close();
      const second = await open({ ...config(), postgresDsn: first.dsn });
      expect(second.zm.peek('thing_1')).toBeUndefined();
      expect(await second.zm.get('thing_1')).toEqual(value);
      expect(await second.zm.dbHit('thing_1')).toBe(true);
    });

    test('a periodic write without a task reaches the table, the newest value once', async () => {
      const { zm, psql } = await open(config());
      for (let n = 0; n < 10; n++) await zm.cacheAndPeriodicStore('doc_1', Buffer.from(`v${n}`));
      expect(await zm.get('doc_1')).toEqual(Buffer.from('v9'));
      await zm.flush();
      expect(await psql('SELECT id, data FROM zmsg_data')).toEqual([
        { id: 'doc_1', data: Buffer.from('v9') },
      ]);
    });

    test('an absent key is undefined, and getOrThrow says so', async () => {
      const { zm } = await open(config());
      expect(await zm.get('nothing')).toBeUndefined();
      const error = await zm.getOrThrow('nothing').catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(NotFoundError);
      expect(error).toMatchObject({ code: 'NOT_FOUND', key: 'nothing' });
    });

    test('RETURNING rows come back from a strong write', async () => {
      const { zm } = await open(config());
      const { rows, rowCount } = await zm.cacheAndStore<{ id: string; status: string }>(
        'feed_1',
        HELLO,
        sql('INSERT INTO feeds (id, content) VALUES (?, ?)', 'feed_1', 'x')
          .onConflict('id')
          .doUpdate('content')
          .returning('id', 'status'),
      );
      expect({ rows, rowCount }).toEqual({ rows: [{ id: 'feed_1', status: 'new' }], rowCount: 1 });
    });

    test('getMany asks the database once for all misses', async () => {
      const { zm, psql, stats } = await open(config());
      zm.loader('feed_', { table: 'feeds', key: 'id', column: 'content' });
      await psql(
        `INSERT INTO feeds (id, content) SELECT 'feed_' || n, 'text ' || n FROM generate_series(1, 500) n`,
      );
      const keys = Array.from({ length: 600 }, (_, n) => `feed_${n + 1}`);
      await zm.announce(keys);
      const before = (await stats()).load.queries;
      const found = await zm.getMany(keys);
      expect(found.size).toBe(500);
      expect(found.get('feed_7')?.toString()).toBe('text 7');
      expect((await stats()).load.queries - before).toBe(1);
      expect((await zm.getMany(keys.slice(0, 500))).size).toBe(500);
      expect((await stats()).load.queries - before).toBe(1);
    });

    test('reads of one turn become one query, and reads of one key one load', async () => {
      const { zm, psql, stats } = await open(config());
      zm.loader('feed_', { table: 'feeds', key: 'id', column: 'content' });
      await psql(
        `INSERT INTO feeds (id, content) SELECT 'feed_' || n, 'text ' || n FROM generate_series(1, 100) n`,
      );
      await zm.announce(Array.from({ length: 100 }, (_, n) => `feed_${n + 1}`));
      const before = (await stats()).load;
      const values = await Promise.all(
        Array.from({ length: 1_000 }, (_, n) => zm.get(`feed_${(n % 100) + 1}`)),
      );
      expect(values.every((value, n) => value?.toString() === `text ${(n % 100) + 1}`)).toBe(true);
      const after = (await stats()).load;
      expect(after.keys - before.keys).toBe(100);
      expect(after.queries - before.queries).toBe(1);
      expect(values[0]).not.toBe(values[100]); // every caller owns its buffer
    });

    test('the longest prefix wins among loaders, and a function loads in batches', async () => {
      const { zm } = await open(config());
      const calls: (readonly string[])[] = [];
      zm.loader('user_', async () => new Map(), { bloom: false });
      zm.loader(
        'user_vip_',
        async (keys, db) => {
          calls.push(keys);
          const { rows } = await db.exec<{ n: number }>('SELECT 40 + $1::int AS n', [keys.length]);
          return new Map(keys.map((key) => [key, `${key}:${rows[0]?.n}`]));
        },
        { bloom: false },
      );
      const [a, b, c] = await Promise.all([zm.get('user_vip_1'), zm.get('user_vip_2'), zm.get('user_1')]);
      expect([a?.toString(), b?.toString(), c]).toEqual(['user_vip_1:42', 'user_vip_2:42', undefined]);
      expect(calls).toEqual([['user_vip_1', 'user_vip_2']]);
    });

    test('update keeps the remaining time to live, and does nothing for what is not cached', async () => {
      const { zm } = await open(config());
      // Before the call: it answers some time after the value has begun to live.
      const beganAt = performance.now();
      await zm.cacheOnly('a', Buffer.from('1'), { ttl: 400 });
      expect(await zm.update('a', Buffer.from('2'))).toBe(true);
      expect(await zm.get('a')).toEqual(Buffer.from('2'));
      while (zm.peek('a') !== undefined) await new Promise((resolve) => setImmediate(resolve));
      expect(performance.now() - beganAt).toBeGreaterThan(390);
      expect(performance.now() - beganAt).toBeLessThan(60_000);
      expect(await zm.update('never cached', Buffer.from('2'))).toBe(false);
      expect(await zm.get('never cached')).toBeUndefined();
    });

    test('updateStore and delStore change the row and the cache', async () => {
      const { zm, psql } = await open(config());
      await zm.cacheAndStore('k', Buffer.from('1'));
      await zm.updateStore('k', Buffer.from('2'));
      expect(await zm.get('k')).toEqual(Buffer.from('2'));
      expect(await psql('SELECT data FROM zmsg_data')).toEqual([{ data: Buffer.from('2') }]);
      const { rowCount } = await zm.delStore('k');
      expect(rowCount).toBe(1);
      expect(await zm.get('k')).toBeUndefined();
      expect(await psql('SELECT data FROM zmsg_data')).toEqual([]);
    });

    test('del removes the cached value and leaves the row', async () => {
      const { zm } = await open(config());
      await zm.cacheOnly('only', Buffer.from('x'));
      await zm.del('only');
      expect(await zm.get('only')).toBeUndefined();
      await zm.cacheAndStore('row', Buffer.from('y'));
      await zm.del('row');
      expect(zm.peek('row')).toBeUndefined();
      expect(await zm.get('row')).toEqual(Buffer.from('y'));
    });

    test('counters, slices and maps are folded, and each producer reads its own writes', async () => {
      const { zm, psql } = await open({ ...config(), batchInterval: '1h' });
      await psql(`INSERT INTO feed_meta (id) VALUES ('feed_1')`);
      const key = 'meta:feed_1';
      const likes = (n: number) =>
        counter('feed_meta', 'like_count').inc(n).where('id = ?', 'feed_1').batchKey(key).build();
      for (let n = 0; n < 100; n++) await zm.cacheAndPeriodicStore('feed_1', null, likes(1));
      await zm.cacheAndPeriodicStore(
        'feed_1',
        null,
        table('feed_meta').column('view_count').counter().inc(7).where('id = ?', 'feed_1').batchKey(key),
      );
      await zm.cacheAndPeriodicStore(
        'feed_1',
        null,
        slice('feed_meta', 'tags').add('new').where('id = ?', 'feed_1').batchKey(key),
      );
      await zm.cacheAndPeriodicStore(
        'feed_1',
        null,
        map('feed_meta', 'extra').set('lang', 'en').where('id = ?', 'feed_1').batchKey(key),
      );

      const read = <T>(task: Parameters<typeof zm.query>[0]) => zm.query<T>(task);
      expect(
        await read(counter('feed_meta', 'like_count').get().where('id = ?', 'feed_1').batchKey(key)),
      ).toEqual([{ like_count: 100 }]);
      expect(await read(slice('feed_meta', 'tags').get().where('id = ?', 'feed_1').batchKey(key))).toEqual([
        { tags: ['new'] },
      ]);
      expect(await read(map('feed_meta', 'extra').get().where('id = ?', 'feed_1').batchKey(key))).toEqual([
        { extra: { lang: 'en' } },
      ]);
      expect(
        await read(map('feed_meta', 'extra').getKey('lang').where('id = ?', 'feed_1').batchKey(key)),
      ).toEqual([{ extra: 'en' }]);
      expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 0 }]);

      await zm.flush();
      expect(await psql('SELECT like_count::int, view_count::int, tags, extra FROM feed_meta')).toEqual([
        { like_count: 100, view_count: 7, tags: ['new'], extra: { lang: 'en' } },
      ]);
      expect(
        await read(counter('feed_meta', 'like_count').get().where('id = ?', 'feed_1').batchKey(key)),
      ).toEqual([{ like_count: 100 }]);
      expect(await read(counter('feed_meta', 'like_count').get().where('id = ?', 'none'))).toEqual([]);
    });

    test('the receipt says when the operation is in PostgreSQL', async () => {
      const { zm, psql } = await open({ ...config(), batchInterval: '50ms' });
      await psql(`INSERT INTO feed_meta (id) VALUES ('feed_1')`);
      const receipt = await zm.cacheAndPeriodicStore(
        'feed_1',
        null,
        counter('feed_meta', 'like_count').inc(3).where('id = ?', 'feed_1'),
      );
      await receipt.durable;
      await receipt.applied;
      expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 3 }]);
    });

    test('a delayed write happens later, once, and a delayed delete empties the cache again', async () => {
      const { zm, psql } = await open(config());
      await zm.cacheAndDelayStore(
        'late',
        HELLO,
        sql('INSERT INTO feeds (id, content) VALUES (?, ?)', 'late', 'x'),
        { delay: 200 },
      );
      expect(await zm.get('late')).toEqual(HELLO);
      expect(await psql('SELECT id FROM feeds')).toEqual([]);
      await expect.poll(() => psql('SELECT id FROM feeds'), { timeout: 20_000 }).toEqual([{ id: 'late' }]);

      await zm.cacheAndStore('doomed', HELLO);
      await zm.delDelayStore('doomed', undefined, { delay: '1s' });
      expect(zm.peek('doomed')).toBeUndefined();
      expect(await zm.get('doomed')).toEqual(HELLO); // still in the table, and cached again
      await expect.poll(() => zm.get('doomed'), { timeout: 20_000 }).toBeUndefined();
    });

    test('a delayed write that fails is reported and stays in the queue', async () => {
      const { zm } = await open(config());
      const failed: unknown[] = [];
      zm.on('delay:job:failed', (event) => failed.push(event));
      const task = sql('INSERT INTO missing_table (id) VALUES (?)', 'x');
      await zm.cacheAndDelayStore('bad', HELLO, task, { delay: 0 });
      await expect.poll(() => failed.length, { timeout: 20_000 }).toBeGreaterThan(0);
      const queue = await zm.delayQueue();
      const { delayed, waiting, active } = await queue.stats();
      expect(delayed + waiting + active).toBe(1); // it will be tried again, later each time
    });

    test.each<[string, (zm: ZMsg, value: Buffer) => Promise<unknown>]>([
      ['a periodic write', (zm, value) => zm.cacheAndPeriodicStore('ahead', value)],
      [
        'a periodic write of a batch',
        (zm, value) => zm.batch().cacheAndPeriodicStore('ahead', value).execute(),
      ],
      ['a delayed write', (zm, value) => zm.cacheAndDelayStore('ahead', value, undefined, { delay: 0 })],
      [
        'a delayed write of a batch',
        (zm, value) => zm.batch().cacheAndDelayStore('ahead', value, undefined, { delay: 0 }).execute(),
      ],
    ])(
      'what was loaded while %s was pending, its value gone from the caches, is dropped when it is committed',
      async (_what, write) => {
        const { zm, dsn } = await open({ ...config(), batchInterval: '1h' });
        await zm.cacheAndStore('ahead', Buffer.from('old'));
        const release = await holdRow(dsn, 'ahead');
        await write(zm, Buffer.from('new'));
        expect(String(zm.peek('ahead'))).toBe('new');
        await zm.del('ahead');
        expect(String(await zm.get('ahead'))).toBe('old');
        await release();
        await zm.flush();
        await expect.poll(() => zm.get('ahead').then(String), { timeout: 20_000 }).toBe('new');
      },
    );

    test('a batch is one transaction: all of it or nothing', async () => {
      const { zm, psql } = await open(config());
      await psql(`INSERT INTO feed_meta (id) VALUES ('feed_1')`);
      const [stored, only, periodic] = await zm
        .batch()
        .cacheAndStore(
          'feed_1',
          HELLO,
          sql('INSERT INTO feeds (id, content) VALUES (?, ?)', 'feed_1', 'x').returning(),
        )
        .cacheOnly('side', Buffer.from('s'))
        .cacheAndPeriodicStore(
          'feed_1',
          null,
          counter('feed_meta', 'like_count').inc(1).where('id = ?', 'feed_1'),
        )
        .execute();
      expect(stored).toMatchObject({ rowCount: 1, rows: [{ id: 'feed_1', content: 'x', status: 'new' }] });
      expect(only).toBeUndefined();
      expect(periodic).toHaveProperty('applied');
      expect((await zm.get('side'))?.toString()).toBe('s');

      const failing = zm
        .batch()
        .cacheAndStore('feed_2', HELLO, sql('INSERT INTO feeds (id, content) VALUES (?, ?)', 'feed_2', 'x'))
        .cacheAndStore(
          'feed_1',
          Buffer.from('other'),
          sql('INSERT INTO feeds (id, content) VALUES (?, ?)', 'feed_1', 'twice'),
        )
        .cacheOnly('side', Buffer.from('changed'))
        .execute();
      await expect(failing).rejects.toMatchObject({ code: 'STORE', sqlState: '23505' });
      expect(await psql('SELECT id FROM feeds')).toEqual([{ id: 'feed_1' }]);
      expect(await zm.get('feed_1')).toEqual(HELLO);
      expect((await zm.get('side'))?.toString()).toBe('s');
      await zm.flush();
      expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 1 }]);
    });

    test('a failed strong write leaves the old value readable', async () => {
      const { zm } = await open(config());
      await zm.cacheOnly('k', Buffer.from('old'));
      const failing = zm.cacheAndStore(
        'k',
        Buffer.from('new'),
        sql('INSERT INTO no_such_table VALUES (?)', 1),
      );
      await expect(failing).rejects.toMatchObject({ name: 'StoreError', code: 'STORE', sqlState: '42P01' });
      expect((await zm.get('k'))?.toString()).toBe('old');
    });

    test('exec and query run statements now', async () => {
      const { zm } = await open(config());
      expect(await zm.exec(sql('INSERT INTO feeds (id) VALUES (?)', 'x'))).toMatchObject({ rowCount: 1 });
      expect(await zm.query<{ id: string }>(sql('SELECT id FROM feeds WHERE id = ?', 'x'))).toEqual([
        { id: 'x' },
      ]);
    });

    test('a value larger than L1 takes is still cached in L2 or found in the table', async () => {
      const { zm } = await open({ ...config(), l1MaxValue: 1_000 });
      const big = Buffer.alloc(100_000, 7);
      await zm.cacheAndStore('big', Buffer.from('small'));
      await zm.cacheAndStore('big', big);
      expect(zm.peek('big')).toBeUndefined();
      expect(await zm.get('big')).toEqual(big);
    });

    test('concurrent strong writes of one key leave the same value in the cache and in the table', async () => {
      const { zm, psql } = await open(config());
      await Promise.all(Array.from({ length: 50 }, (_, n) => zm.cacheAndStore('race', Buffer.from(`v${n}`))));
      const rows = await psql('SELECT data FROM zmsg_data');
      expect(await zm.get('race')).toEqual(rows[0]?.data);
    });

    test('statistics count hits per layer', async () => {
      const { zm, stats } = await open(config());
      await zm.cacheAndStore('s', HELLO);
      for (let n = 0; n < 3; n++) await zm.get('s');
      await zm.get('absent');
      expect(zm.stats().l1HitRate).toBeCloseTo(0.75);
      expect(zm.stats().shards.pendingOperations).toBe(0);
      await expect.poll(() => zm.dbHit('absent'), { timeout: 20_000 }).toBe(false); // once its tables are read
      expect((await stats()).bloom?.negatives).toBeGreaterThan(0);
    });
  });
}
