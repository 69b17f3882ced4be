import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createDatabase } from '@zmsg/testbed';
import type * as Lru from 'sharedarraybuffer-lru';
import { describe, expect, inject, test } from 'vitest';
import { attach, counter, MigrationError, QueueError, sql, type ThreadHandle } from '../dist/index.js';
import { AttachedWorker } from './attached-thread.js';
import { freshDir, freshPrefix, open, openAttached } from './open-engine.js';

const DATA = Buffer.from('x');

function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('one engine for all threads', () => {
  test('keys that all threads miss at once are loaded once, into memory that all of them read', async () => {
    const { zm } = await open();
    const asked: string[] = [];
    const { opened, open: letLoad } = gate();
    zm.loader('slow_', async (keys) => {
      asked.push(...keys);
      await opened;
      return new Map(keys.map((key) => [key, `value of ${key}`]));
    });
    const threads = await Promise.all([1, 2, 3].map(() => AttachedWorker.start(zm)));
    const reads = threads.map((thread) =>
      thread.run(async (engine) => {
        const one = Promise.all(Array.from({ length: 40 }, (_, n) => engine.get(`slow_${n}`)));
        const many = engine.getMany(Array.from({ length: 40 }, (_, n) => `slow_${n + 20}`));
        return [...(await one).map(String), ...[...(await many).values()].map(String).sort()];
      }),
    );
    // What a thread asks later is answered later: then the owner has heard it all.
    await Promise.all(threads.map((thread) => thread.run((engine) => engine.dbHit('slow_0'))));
    await expect.poll(() => asked.length).toBeGreaterThan(0);
    letLoad();
    const values = await Promise.all(reads);
    expect(values[0]?.slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, n) => `value of slow_${n}`));
    expect(values[1]).toEqual(values[0]);
    expect(values[2]).toEqual(values[0]);
    expect(asked.length).toBe(60);
    expect(new Set(asked).size).toBe(60);
    expect(zm.stats().load.keys).toBe(60);
    expect(await threads[0]?.run((engine) => engine.peek('slow_59')?.toString())).toBe('value of slow_59');
  });

  test('ids of four threads and the owner are never equal', async () => {
    const { zm } = await open();
    const threads = await Promise.all([1, 2, 3, 4].map(() => AttachedWorker.start(zm)));
    const making = threads.map((thread) =>
      thread.run((engine) => Array.from({ length: 20_000 }, () => engine.nextId('feed'))),
    );
    const ids = Array.from({ length: 20_000 }, () => zm.nextId('feed'));
    for (const more of await Promise.all(making)) ids.push(...more);
    expect(new Set(ids).size).toBe(100_000);
    const node = zm.parseId(zm.nextId()).node;
    expect(await threads[0]?.run((engine) => engine.parseId(engine.nextId('a')).node)).toBe(node);
  });

  test('writes of all threads meet in the shards, and each thread reads its own at once', async () => {
    const { zm, psql } = await open({ batchInterval: '1h' });
    await psql(`INSERT INTO feed_meta (id) VALUES ('f')`);
    const threads = await Promise.all([1, 2, 3].map(() => AttachedWorker.start(zm)));
    const seen = await Promise.all(
      threads.map((thread) =>
        thread.run(async (engine, _, all) => {
          const likes = () => all.counter('feed_meta', 'like_count').where('id = ?', 'f').batchKey('f');
          for (let n = 0; n < 50; n++) await engine.cacheAndPeriodicStore('f', null, likes().inc(1));
          const [row] = await engine.query<{ like_count: number }>(likes().get());
          return row?.like_count ?? 0;
        }),
      ),
    );
    for (const likes of seen) expect(likes).toBeGreaterThanOrEqual(50);
    expect(Math.max(...seen)).toBe(150);
    expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 0 }]);
    await threads[1]?.run((engine) => engine.flush());
    expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 150 }]);
  });

  test('strong writes of one key from all threads leave one value in the cache and in the table', async () => {
    const { zm, psql } = await open({ redisAddr: inject('redisAddr') });
    const threads = await Promise.all([1, 2, 3].map(() => AttachedWorker.start(zm)));
    await Promise.all(
      threads.map((thread) =>
        thread.run(async (engine, at: number) => {
          const writes = Array.from({ length: 30 }, (_, n) =>
            engine.cacheAndStore('race', Buffer.from(`${at}:${n}`)),
          );
          await Promise.all(writes);
        }, thread.threadId),
      ),
    );
    const [row] = await psql('SELECT data FROM zmsg_data');
    expect(await zm.get('race')).toEqual(row?.data);
    expect(await threads[2]?.run((engine) => engine.peek('race')?.toString())).toBe(String(row?.data));
  });

  test('what another node writes is what a thread reads next', async () => {
    const redis = { redisAddr: inject('redisAddr'), cachePrefix: freshPrefix() };
    const { zm, dsn } = await open(redis);
    const { zm: elsewhere } = await open({ ...redis, postgresDsn: dsn });
    const thread = await AttachedWorker.start(zm);
    await zm.cacheAndStore('k', Buffer.from('old'));
    expect(await thread.run((engine) => engine.get('k').then(String))).toBe('old');
    await elsewhere.cacheAndStore('k', Buffer.from('new'));
    await expect.poll(() => thread.run((engine) => engine.get('k').then(String))).toBe('new');
    await thread.run((engine) => engine.cacheAndStore('k', Buffer.from('newest')));
    await expect.poll(() => elsewhere.get('k').then(String)).toBe('newest');
  });

  test('what was loaded while a write of a thread was pending is dropped in all threads when it is committed', async () => {
    const { zm } = await open({ batchInterval: '1h' });
    const [one, other] = await Promise.all([1, 2].map(() => AttachedWorker.start(zm)));
    const read = () => other?.run((engine) => engine.get('ahead').then(String));
    await zm.cacheAndStore('ahead', Buffer.from('old'));
    await one?.run(async (engine) => {
      await engine.cacheAndPeriodicStore('ahead', Buffer.from('new'));
    });
    expect(await read()).toBe('new');
    await zm.del('ahead');
    expect(await read()).toBe('old');
    await zm.flush();
    await expect.poll(read, { timeout: 20_000 }).toBe('new');
    expect(String(await zm.get('ahead'))).toBe('new');
  });

  test('a thread whose owner is blocked, and hears of no other node, stops believing L1', async () => {
    const { zm } = await open({ redisAddr: inject('redisAddr') });
    const thread = await AttachedWorker.start(zm);
    await zm.cacheAndStore('k', Buffer.from('value'), undefined, { ttl: '1h' });
    const words = new Int32Array(new SharedArrayBuffer(8));
    const reading = thread.run(
      async (engine, [began, ended]: readonly [Int32Array, Int32Array]) => {
        if (engine.peek('k') === undefined) return 'it was not cached';
        Atomics.store(began, 0, 1);
        Atomics.notify(began, 0);
        while (engine.peek('k') !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
        const many = engine.getMany(['k']);
        Atomics.store(ended, 0, 1);
        Atomics.notify(ended, 0);
        return [String(await engine.get('k')), String((await many).get('k'))];
      },
      [words.subarray(0, 1), words.subarray(1)],
    );
    await Atomics.waitAsync(words, 0, 0).value;
    expect(Atomics.wait(words, 1, 0, 60_000)).toBe('ok');
    expect(await reading).toEqual(['value', 'value']);
    // The owner goes round again: what is loaded now is believed.
    const cached = () => thread.run((engine) => engine.get('k').then(() => engine.peek('k')?.toString()));
    await expect.poll(cached).toBe('value');
  });

  test('rows and errors are those of PostgreSQL, Buffers as Buffers', async () => {
    const { zm } = await openAttached();
    const big = 2n ** 62n;
    const when = new Date(1_700_000_000_000);
    const [row] = await zm.query(
      sql(
        'SELECT ?::bytea AS bytes, ?::bigint AS big, ?::timestamptz AS at, ?::jsonb AS json, ?::int[] AS list',
        Buffer.from([0, 255]),
        big,
        when,
        { a: [1, null] },
        [1, 2],
      ),
    );
    expect(row).toStrictEqual({
      bytes: Buffer.from([0, 255]),
      big: String(big),
      at: when,
      json: { a: [1, null] },
      list: [1, 2],
    });
    await zm.exec(sql('INSERT INTO feeds (id) VALUES (?)', 'a'));
    const error = await zm.exec(sql('INSERT INTO feeds (id) VALUES (?)', 'a')).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'StoreError', code: 'STORE', sqlState: '23505' });
    expect(error.cause).toMatchObject({ constraint: 'feeds_pkey' });
  });

  test('migrations, dead letters and delayed writes are operated on from any thread', async () => {
    const { zm, psql } = await openAttached();
    const made = () => zm.loadSql('CREATE TABLE made (id text PRIMARY KEY)').migrate();
    expect(await made()).toMatchObject([{ name: expect.stringMatching(/^sql-/) }]);
    expect(await made()).toEqual([]);
    const broken = await zm
      .loadSql('SELEC 1')
      .migrate()
      .catch((error) => error);
    expect(broken).toBeInstanceOf(MigrationError);
    expect(broken).toMatchObject({
      file: expect.any(String),
      cause: { name: 'StoreError', sqlState: '42601' },
    });

    await zm.cacheAndPeriodicStore('k', null, sql('INSERT INTO later (id) VALUES (?)', 'k'));
    await zm.flush();
    const letters = zm.deadLetters();
    const [letter, ...others] = await letters.list({ limit: 5 });
    expect([letter, others]).toMatchObject([{ kind: 'content', sqlState: '42P01' }, []]);
    const id = String(letter?.id);
    expect(await letters.get(id)).toMatchObject({ canRetry: true, statements: [{ values: ['k'] }] });
    expect(await letters.retry(id)).toMatchObject([{ outcome: 'refused' }]);
    await psql('CREATE TABLE later (id text)');
    expect(await letters.retry([id])).toMatchObject([{ outcome: 'applied', rowCount: 1 }]);
    expect([await letters.count(), await letters.discard(id), await letters.get(id)]).toEqual([
      0,
      0,
      undefined,
    ]);

    const queue = await zm.delayQueue();
    await zm.cacheAndDelayStore('d', DATA, undefined, { delay: '1h' });
    expect(await queue.stats()).toMatchObject({ delayed: 1, failed: 0 });
    expect(await queue.failed({ limit: 10 })).toEqual([]);
    const none = '00000000-0000-4000-8000-000000000000';
    await expect(queue.retryFailed(none)).rejects.toBeInstanceOf(QueueError);
    await expect(queue.discardFailed(none)).rejects.toBeInstanceOf(QueueError);
  });

  test('an event of the engine reaches the threads that listen to it', async () => {
    const { zm, owner, psql } = await openAttached({ batchInterval: '1h' });
    await psql(`INSERT INTO feed_meta (id) VALUES ('f')`);
    const like = counter('feed_meta', 'like_count').inc(1).where('id = ?', 'f').build();
    const committed: unknown[] = [];
    const refused: { error: Error }[] = [];
    const listener = (event: unknown) => committed.push(event);
    zm.on('flush:transaction:committed', listener);
    zm.on('flush:task:refused', (event) => refused.push(event));
    await zm.dbHit('after the listening');
    await owner.cacheAndPeriodicStore('f', null, like);
    await owner.flush();
    await expect.poll(() => committed).toMatchObject([{ operations: 1 }]);
    zm.off('flush:transaction:committed', listener);
    await zm.dbHit('after the listening');
    await zm.cacheAndPeriodicStore('f', null, sql('INSERT INTO nowhere VALUES (?)', 1));
    await zm.flush();
    await expect.poll(() => refused).toMatchObject([{ sqlState: '42P01', error: { code: 'STORE' } }]);
    expect(refused[0]?.error).toBeInstanceOf(Error);
    expect(committed.length).toBe(1);
  });

  test('a write that waits in the owner is given up there when its signal fires in the thread', async () => {
    const { zm, owner, psql } = await openAttached({ postgresMaxOpenConns: 4 });
    // One connection for calls; it is in use.
    const held = gate();
    const begun = gate();
    owner.loader(
      'hold_',
      async (_, db) => {
        const sleeping = db.exec('SELECT pg_sleep(1)');
        begun.open();
        await sleeping;
        held.open();
        return new Map();
      },
      { bloom: false },
    );
    const holding = owner.get('hold_1');
    await begun.opened;
    const controller = new AbortController();
    const reason = new Error('enough');
    const write = zm.cacheAndStore('late', DATA, undefined, { signal: controller.signal });
    await zm.dbHit('after the write was sent');
    controller.abort(reason);
    await expect(write).rejects.toBe(reason);
    await held.opened;
    await holding;
    await owner.exec(sql('SELECT 1')); // the next in line
    expect(await psql(`SELECT id FROM zmsg_data WHERE id = 'late'`)).toEqual([]);
  });
});

describe('loaders', () => {
  test('a function of several threads runs in one of them, with the queries of the engine', async () => {
    const { zm, psql } = await open();
    await psql(`INSERT INTO feeds (id, content) VALUES ('feed_1', 'one'), ('feed_2', NULL)`);
    const threads = await Promise.all([1, 2].map(() => AttachedWorker.start(zm)));
    for (const thread of threads) {
      await thread.run((engine, id: number) => {
        engine.loader('feed_', async (keys, db) => {
          const { rows } = await db.exec<{ id: string; content: string; at: Date; raw: Buffer }>(
            `SELECT id, content, $2::timestamptz AS at, $3::bytea AS raw FROM feeds WHERE id = ANY($1) AND content <> ''`,
            [keys, new Date(0), Buffer.from('r')],
          );
          return new Map(
            rows.map((row) => [row.id, `${row.content} by ${id} ${row.at.getTime()} ${row.raw.toString()}`]),
          );
        });
        return engine.dbHit('after the loader was sent');
      }, thread.threadId);
    }
    const [a, b] = threads.map(({ threadId }) => `one by ${threadId} 0 r`);
    expect([a, b]).toContain(String(await zm.get('feed_1')));
    expect([a, b]).toContain(await threads[0]?.run((engine) => engine.get('feed_1').then(String)));
    expect(await threads[1]?.run((engine) => engine.get('feed_2'))).toBeUndefined();
    await zm.del('feed_1');
    await threads[0]?.run((engine) => engine.close());
    expect(String(await zm.get('feed_1'))).toBe(b);
  });

  test('a load goes to another thread when the one that had it ends, and fails when there is none', async () => {
    const { zm } = await open();
    const threads = await Promise.all([1, 2].map(() => AttachedWorker.start(zm)));
    const loading = new Int32Array(new SharedArrayBuffer(4));
    for (const thread of threads) {
      await thread.run(
        (engine, { words, id }: { words: Int32Array; id: number }) => {
          engine.loader(
            'slow_',
            (keys) => {
              // Only the first one that is asked never answers.
              if (Atomics.compareExchange(words, 0, 0, id) === 0) return new Promise(() => {});
              return Promise.resolve(new Map(keys.map((key) => [key, `by ${id}`])));
            },
            { bloom: false },
          );
          return engine.dbHit('after the loader was sent');
        },
        { words: loading, id: thread.threadId },
      );
    }
    const read = zm.get('slow_1');
    await expect.poll(() => Atomics.load(loading, 0)).toBeGreaterThan(0);
    const victim = threads.find(({ threadId }) => threadId === Atomics.load(loading, 0));
    const other = threads.find((thread) => thread !== victim);
    await victim?.terminate();
    expect(String(await read)).toBe(`by ${other?.threadId}`);
    Atomics.store(loading, 0, 0);
    const hopeless = zm.get('slow_2').catch((error: unknown) => error);
    await expect.poll(() => Atomics.load(loading, 0)).toBe(other?.threadId);
    await other?.terminate();
    expect(await hopeless).toMatchObject({ name: 'ThreadEndedError', code: 'THREAD_ENDED' });
    const next = await AttachedWorker.start(zm);
    await next.run((engine) => {
      engine.loader('slow_', async (keys) => new Map(keys.map((key) => [key, 'again'])), { bloom: false });
      return engine.dbHit('after the loader was sent');
    });
    expect(String(await zm.get('slow_2'))).toBe('again');
  });

  test('what a loader throws in a thread is what the reader of another one gets', async () => {
    const { zm, owner } = await openAttached();
    const other = await attach(owner.openThread().handle);
    const load = async () => {
      throw Object.assign(new RangeError('out of it'), { hint: 'look' });
    };
    zm.loader('bad_', load, { bloom: false });
    await zm.dbHit('after the loader was sent');
    const error = await other.get('bad_1').catch((reason) => reason);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ message: 'out of it', hint: 'look' });
    const table = { table: 't', key: 'id', column: 'c' };
    expect(() => zm.loader('', table)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }));
    expect(() => zm.loader('t_', { ...table, table: 't; drop' })).toThrow(
      expect.objectContaining({ code: 'INVALID_TASK' }),
    );
  });

  test('a table that every thread registers is scanned once', async () => {
    const { zm, owner } = await openAttached();
    const other = await attach(owner.openThread().handle);
    const register = async (each: typeof zm) => {
      each.loader('feed_', { table: 'feeds', key: 'id', column: 'content' });
      each.loader('feed_2_', { table: 'feeds', key: 'id', column: 'status' });
      await each.dbHit('after the loaders were sent');
      return owner.stats().bloom?.complete;
    };
    await register(zm);
    await expect.poll(() => owner.stats().bloom?.complete, { timeout: 20_000 }).toBe(true);
    expect(await other.dbHit('feed_2_absent')).toBe(false);
    // Being scanned again, it would know nothing for a while.
    expect([await register(other), await register(zm)]).toEqual([true, true]);
  });
});

describe('the end of a thread', () => {
  test('close() ends what the thread has under way and leaves the engine open', async () => {
    const { zm, psql } = await open({ batchInterval: '1h' });
    await psql(`INSERT INTO feed_meta (id) VALUES ('f')`);
    const thread = await AttachedWorker.start(zm);
    const outcome = await thread.run(async (engine, _, all) => {
      const like = all.counter('feed_meta', 'like_count').inc(1).where('id = ?', 'f').build();
      const writes = Array.from({ length: 100 }, () => engine.cacheAndPeriodicStore('f', null, like));
      writes.push(engine.cacheAndStore('strong', Buffer.from('s')) as never);
      await engine.close();
      await engine.close();
      const after = [
        engine.get('strong'),
        engine.cacheOnly('k', Buffer.from('x')),
        engine.flush(),
        engine.cacheAndPeriodicStore('f', null, like),
        new Promise((resolve) => resolve(engine.nextId())),
        new Promise((resolve) => resolve(engine.peek('k'))),
        engine.delayQueue(),
        engine.batch === undefined,
      ];
      const late = await Promise.allSettled(after.slice(0, 7));
      return {
        written: (await Promise.allSettled(writes)).filter(({ status }) => status === 'fulfilled').length,
        late: late.map((each) => each.status === 'rejected' && each.reason instanceof all.ClosedError),
      };
    });
    expect(outcome).toEqual({ written: 101, late: new Array(7).fill(true) });
    expect(String(await zm.get('strong'))).toBe('s');
    await zm.flush();
    expect(await psql('SELECT like_count::int FROM feed_meta')).toEqual([{ like_count: 100 }]);
    const again = await AttachedWorker.start(zm);
    expect(await again.run((engine) => engine.get('strong').then(String))).toBe('s');
  });

  test('a thread that is terminated under load is cleaned up after, and no write of it is lost or doubled', async () => {
    const { zm, psql } = await open({ batchInterval: '20ms', batchShards: 2 });
    await psql(`INSERT INTO feed_meta (id) SELECT 'f' || n FROM generate_series(0, 9) n`);
    const ended: { thread: number }[] = [];
    zm.on('attach:thread:ended', (event) => ended.push(event));
    const attempted = new Int32Array(new SharedArrayBuffer(48));
    const acknowledged = new Int32Array(new SharedArrayBuffer(48));
    const victims: number[] = [];
    for (let round = 0; round < 3; round++) {
      const victim = await AttachedWorker.start(zm);
      victims.push(victim.threadId);
      victim
        .run(
          async (engine, counts: { attempted: Int32Array; acknowledged: Int32Array }, all) => {
            const like = async (n: number) => {
              const task = all.counter('feed_meta', 'like_count').inc(1).where('id = ?', `f${n}`);
              for (;;) {
                Atomics.add(counts.attempted, n, 1);
                await engine.cacheAndPeriodicStore(`f${n}`, null, task);
                Atomics.add(counts.acknowledged, n, 1);
              }
            };
            const store = async () => {
              for (;;) {
                const at = Atomics.add(counts.attempted, 10, 1);
                await engine.cacheAndStore(`stored_${at}`, Buffer.from('x'));
                await engine.get(`stored_${at - 3}`);
                await engine.get(`absent_${at}`);
                Atomics.add(counts.acknowledged, 10, 1);
              }
            };
            await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(like).concat([store(), store()]));
          },
          { attempted, acknowledged },
        )
        .catch(() => {});
      const before = Atomics.load(acknowledged, 10);
      await expect
        .poll(() => Atomics.load(acknowledged, 10), { timeout: 30_000 })
        .toBeGreaterThan(before + 5);
      await victim.terminate();
      await expect.poll(() => ended.map(({ thread }) => thread)).toEqual(victims);
    }
    await zm.flush();
    const rows = await psql('SELECT like_count::int AS likes FROM feed_meta ORDER BY id');
    for (const [n, { likes }] of (rows as { likes: number }[]).entries()) {
      expect(likes).toBeGreaterThanOrEqual(Atomics.load(acknowledged, n));
      expect(likes).toBeLessThanOrEqual(Atomics.load(attempted, n));
    }
    expect(Atomics.load(acknowledged, 0)).toBeGreaterThan(0);
    const [stored] = await psql('SELECT count(*)::int FROM zmsg_data');
    expect(stored?.count).toBeGreaterThanOrEqual(Atomics.load(acknowledged, 10));
    expect(stored?.count).toBeLessThanOrEqual(Atomics.load(attempted, 10));
    // Nothing of them is left that others would wait for.
    const next = await AttachedWorker.start(zm);
    await next.run((engine) => engine.cacheAndStore('stored_0', Buffer.from('new')));
    expect(String(zm.peek('stored_0'))).toBe('new');
    expect(zm.stats().shards.pendingOperations).toBe(0);
  });

  test('what a thread had locked of L1 when it ended is freed', async () => {
    const { zm } = await open();
    const ended: unknown[] = [];
    zm.on('attach:thread:ended', (event) => ended.push(event));
    const thread = await AttachedWorker.start(zm);
    const stopped = new Int32Array(new SharedArrayBuffer(4));
    const urls = ['index', 'failpoint'].map(
      (file) => new URL(`../../sharedarraybuffer-lru/dist/${file}.js`, import.meta.url).href,
    );
    void thread
      .run(
        async (_engine, { words, urls }: { words: Int32Array; urls: string[] }, _core, load) => {
          const [lru, points, threads] = (await Promise.all([...urls, 'node:worker_threads'].map(load))) as [
            typeof Lru,
            { onFailpoint: (hook: () => void) => void },
            { workerData: { zmsg: ThreadHandle } },
          ];
          const cache = lru.SharedLRU.attach(threads.workerData.zmsg.l1);
          points.onFailpoint(() => {
            Atomics.store(words, 0, 1);
            Atomics.wait(words, 0, 1); // for ever, inside the lock
          });
          cache.set('locked', Buffer.from('x'));
        },
        { words: stopped, urls },
      )
      .catch(() => {});
    await expect.poll(() => Atomics.load(stopped, 0)).toBe(1);
    expect(thread.threadId).toBeGreaterThan(0);
    await thread.terminate();
    await expect.poll(() => ended).toMatchObject([{ thread: thread.threadId, calls: 0, segments: 1 }]);
    await zm.cacheOnly('locked', DATA);
    expect(zm.peek('locked')).toEqual(DATA);
  });

  test('a handle is for one thread; without one there is no engine', async () => {
    const { zm, owner } = await openAttached();
    await expect(attach()).rejects.toMatchObject({ code: 'CONFIG' });
    await expect(attach({} as never)).rejects.toMatchObject({ code: 'CONFIG' });
    const { handle, release } = owner.openThread();
    expect(await attach(handle)).toBe(await attach(handle));
    expect(() => zm.openThread()).toThrow(expect.objectContaining({ code: 'CONFIG' }));
    const other = await attach(handle);
    release();
    await expect(other.get('k')).rejects.toMatchObject({ code: 'CLOSED' });
    const late = owner.openThread();
    late.release();
    await expect(attach(late.handle)).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await zm.get('k')).toBeUndefined();
  });
});

describe('the end of the engine', () => {
  test('every call of every thread rejects with ClosedError when the owner closes, or had its answer before', async () => {
    const { zm } = await open({ shutdownTimeout: '300ms', batchInterval: '1h' });
    zm.loader('never_', () => new Promise(() => {}), { bloom: false });
    const threads = await Promise.all([1, 2].map(() => AttachedWorker.start(zm)));
    const calls = threads.map((thread) =>
      thread.run(async (engine, _, all) => {
        const pending = [
          engine.exec(all.sql('SELECT pg_sleep(50)')),
          engine.get('never_1'),
          engine.getMany(['never_2', 'never_3']),
          engine.cacheAndStore('k', Buffer.from('x'), all.sql('SELECT pg_sleep(50)')),
          ...Array.from({ length: 5_000 }, (_each, n) => engine.get(`never_${n}`)),
        ];
        const outcomes = await Promise.allSettled(pending);
        const later = await Promise.allSettled([
          engine.get('k'),
          engine.cacheOnly('k', Buffer.from('x')),
          engine.flush(),
          engine.cacheAndPeriodicStore('k', Buffer.from('x')),
          new Promise((resolve) => resolve(engine.nextId())),
          new Promise((resolve) => resolve(engine.peek('k'))),
          new Promise((resolve) => resolve(engine.stats())),
        ]);
        await engine.close();
        return [...outcomes, ...later].map((each) => each.status === 'rejected' && each.reason.code);
      }),
    );
    // As many as may be under way; the others wait in their threads.
    await expect.poll(() => zm.stats().load.keys).toBeGreaterThan(4_000);
    await zm.close().catch(() => {});
    for (const codes of await Promise.all(calls)) {
      expect(codes.length).toBe(5_011);
      expect(new Set(codes)).toEqual(new Set(['CLOSED']));
    }
  });

  test('calls that come to an end in time are answered', async () => {
    const { zm } = await open();
    const thread = await AttachedWorker.start(zm);
    const call = thread.run(async (engine, _, all) => {
      const slow = engine.query(all.sql(`SELECT 'done' AS word FROM pg_sleep(0.3)`));
      return [await slow, await engine.get('k').catch((error) => error.code)];
    });
    await thread.run((engine) => engine.dbHit('after the call'));
    await zm.close();
    expect(await call).toEqual([[{ word: 'done' }], 'CLOSED']);
  });

  test('a process whose threads have the engine ends by itself after close(), and so do its idle threads', async () => {
    const dsn = await createDatabase(inject('postgresPort'));
    const program = `
      import { Worker, isMainThread, workerData } from 'node:worker_threads';
      import { once } from 'node:events';
      import { attach, ZMsg } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
      const zm = await ZMsg.open({ postgresDsn: ${JSON.stringify(dsn)}, dataDir: ${JSON.stringify(freshDir())},
        batchShards: 2, logLevel: 'error' });
      const thread = \`
        import { attach, counter } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
        const zm = await attach();
        zm.loader('l_', async () => new Map());
        zm.on('flush:transaction:committed', () => {});
        await zm.cacheAndStore('k', Buffer.from('v'));
        await zm.cacheAndPeriodicStore('p', Buffer.from('v'));
      \`;
      for (let n = 0; n < 2; n++) {
        const { handle, transferList } = zm.openThread();
        const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(thread)), { workerData: { zmsg: handle }, transferList });
        const [code] = await once(worker, 'exit');
        console.log('thread', code);
      }
      await zm.close();
      console.log('closed');
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = await once(child, 'exit');
    expect({ code, output }).toEqual({ code: 0, output: 'thread 0\nthread 0\nclosed\n' });
  });
});
