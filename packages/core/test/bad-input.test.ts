import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@zmsg/testbed';
import { describe, expect, test } from 'vitest';
import { counter, map, slice, sql, table, ZMsg } from '../dist/index.js';
import { open } from './open-engine.js';

const DATA = Buffer.from('x');

async function errorOf(call: () => unknown): Promise<{ name: string; code: string; message: string }> {
  try {
    await call();
  } catch (error) {
    return error as { name: string; code: string; message: string };
  }
  throw new Error('nothing was thrown');
}

describe('keys', () => {
  test.each([
    ['an empty key', ''],
    ['513 bytes', 'x'.repeat(513)],
    ['513 bytes in 171 characters', '€'.repeat(171)],
    ['a lone high surrogate', 'a\ud800b'],
    ['a lone low surrogate', '\udc00'],
    ['U+0000', 'a\0b'],
    ['a number', 1],
    ['undefined', undefined],
    ['a Buffer', Buffer.from('k')],
  ])('%s is an InvalidKeyError everywhere, and nothing is written', async (_name, key) => {
    const { zm, psql } = await open();
    const bad = key as string;
    const calls: (() => unknown)[] = [
      () => zm.get(bad),
      () => zm.getOrThrow(bad),
      () => zm.peek(bad),
      () => zm.getMany(['fine', bad]),
      () => zm.cacheOnly(bad, DATA),
      () => zm.cacheAndStore(bad, DATA),
      () => zm.cacheAndDelayStore(bad, DATA, undefined, { delay: 1 }),
      () => zm.cacheAndPeriodicStore(bad, DATA),
      () => zm.update(bad, DATA),
      () => zm.updateStore(bad, DATA),
      () => zm.del(bad),
      () => zm.delStore(bad),
      () => zm.delDelayStore(bad),
      () => zm.dbHit(bad),
      () => zm.announce([bad]),
      () => zm.batch().cacheOnly(bad, DATA),
      () => zm.batch().cacheAndStore(bad, DATA),
    ];
    for (const call of calls)
      expect(await errorOf(call)).toMatchObject({ name: 'InvalidKeyError', code: 'INVALID_KEY' });
    await zm.flush();
    expect(await psql('SELECT * FROM zmsg_data')).toEqual([]);
  });

  test('512 bytes are a key', async () => {
    const { zm } = await open();
    for (const key of ['x'.repeat(512), `${'€'.repeat(170)}ab`]) {
      await zm.cacheAndStore(key, DATA);
      await zm.del(key);
      expect(await zm.get(key)).toEqual(DATA);
    }
  });
});

describe('values', () => {
  test.each([
    ['a string', 'text'],
    ['an object', {}],
    ['a number', 1],
    ['undefined', undefined],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['a Uint16Array', new Uint16Array(1)],
  ])('%s is an InvalidValueError, and nothing is written', async (_name, value) => {
    const { zm, psql } = await open();
    const bad = value as Uint8Array;
    const calls: (() => unknown)[] = [
      () => zm.cacheOnly('k', bad),
      () => zm.cacheAndStore('k', bad),
      () => zm.cacheAndDelayStore('k', bad),
      () => zm.cacheAndPeriodicStore('k', bad),
      () => zm.update('k', bad),
      () => zm.updateStore('k', bad),
      () => zm.batch().cacheAndStore('k', bad),
    ];
    for (const call of calls)
      expect(await errorOf(call)).toMatchObject({ name: 'InvalidValueError', code: 'INVALID_VALUE' });
    await zm.flush();
    expect(await psql('SELECT * FROM zmsg_data')).toEqual([]);
    expect(await zm.get('k')).toBeUndefined();
  });

  test('null without a task is refused by a periodic write', async () => {
    const { zm } = await open();
    expect(await errorOf(() => zm.cacheAndPeriodicStore('k', null))).toMatchObject({ code: 'INVALID_TASK' });
  });

  test('a time to live that is none is refused', async () => {
    const { zm } = await open();
    for (const ttl of ['soon', -1, 0, '0s', Number.NaN, '5 parsecs', {} as never]) {
      expect(await errorOf(() => zm.cacheOnly('k', DATA, { ttl }))).toMatchObject({ code: 'INVALID_VALUE' });
    }
    expect(zm.peek('k')).toBeUndefined();
  });
});

describe('operands', () => {
  test('NaN and Infinity are refused when the task is built', async () => {
    for (const n of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(await errorOf(() => counter('t', 'c').inc(n))).toMatchObject({ code: 'INVALID_VALUE' });
    }
    expect(
      await errorOf(() =>
        counter('t', 'c')
          .inc('1' as never as number)
          .where('id = ?')
          .build(),
      ),
    ).toMatchObject({ code: 'INVALID_TASK' });
  });

  test('a fractional delta of an integer column is an InvalidValueError, and later operations go on', async () => {
    const { zm, psql } = await open();
    await psql(`INSERT INTO feed_meta (id) VALUES ('f')`);
    const column = () => counter('feed_meta', 'like_count');
    for (const builder of [column().inc(0.5), column().dec(1.25), column().set(2.5)]) {
      const error = await errorOf(() => zm.cacheAndPeriodicStore('f', null, builder.where('id = ?', 'f')));
      expect(error).toMatchObject({ name: 'InvalidValueError', code: 'INVALID_VALUE' });
      expect(error.message).toContain('like_count');
    }
    await zm.cacheAndPeriodicStore('f', null, column().inc(4).where('id = ?', 'f'));
    await zm.cacheAndPeriodicStore('f', null, column().mul(1.5).where('id = ?', 'f'));
    await zm.cacheAndPeriodicStore('f', null, counter('feed_meta', 'score').set(0.1).where('id = ?', 'f'));
    await zm.flush();
    expect(await psql('SELECT like_count::int, score FROM feed_meta')).toEqual([
      { like_count: 6, score: '0.1' },
    ]);
  });

  test.each(['a"; DROP TABLE feeds; --', "a'b", 'a;b', '', 'a\0b', 'x'.repeat(64)])(
    'the identifier %j is refused',
    async (name) => {
      const { zm, psql } = await open();
      const calls: (() => unknown)[] = [
        () => counter(name, 'c').inc(1).where('id = ?', 1).build(),
        () => counter('t', name).inc(1).where('id = ?', 1).build(),
        () => slice(name, 'c').add(1).where('id = ?', 1).build(),
        () => map('t', name).set('k', 1).where('id = ?', 1).build(),
        () => table(name).column('c').counter().inc(1).where('id = ?', 1).build(),
        () => sql('INSERT INTO feeds (id) VALUES (?)', 'x').onConflict(name).doNothing().build(),
        () => sql('INSERT INTO feeds (id) VALUES (?)', 'x').returning(name).build(),
        () =>
          counter('t', 'c')
            .inc(1)
            .where('id = ?', 1)
            .orInsert({ [name]: 1 })
            .build(),
        () => zm.loader('p_', { table: name, key: 'id', column: 'content' }),
        () => zm.loader('p_', { table: 'feeds', key: name, column: 'content' }),
      ];
      for (const call of calls) expect(await errorOf(call)).toMatchObject({ code: 'INVALID_TASK' });
      expect(await psql('SELECT * FROM feeds')).toEqual([]);
    },
  );

  test('a read is no write and a write without its condition no task', async () => {
    const { zm } = await open();
    const read = counter('feed_meta', 'like_count').get().where('id = ?', 'f');
    expect(await errorOf(() => zm.cacheAndPeriodicStore('f', null, read as never))).toMatchObject({
      code: 'INVALID_TASK',
    });
    expect(await errorOf(() => zm.exec(read as never))).toMatchObject({ code: 'INVALID_TASK' });
    expect(await errorOf(() => zm.exec(counter('feed_meta', 'like_count').inc(1)))).toMatchObject({
      code: 'INVALID_TASK',
    });
    expect(await errorOf(() => zm.exec({} as never))).toMatchObject({ code: 'INVALID_TASK' });
    expect(await errorOf(() => zm.exec('SELECT 1' as never))).toMatchObject({ code: 'INVALID_TASK' });
  });
});

describe('opening', () => {
  test('unknown keys are named', async () => {
    const error = await errorOf(() => ZMsg.open({ batchSise: 5 } as never));
    expect(error).toMatchObject({ name: 'ConfigError', code: 'CONFIG', key: 'batchSise' });
  });

  test('a server that is not there is a StoreError in bounded time, without the password', async () => {
    const dsn = `postgresql://user:s3cr3t@127.0.0.1:${await freePort()}/db`;
    const error = await errorOf(() => ZMsg.open({ postgresDsn: dsn, logLevel: 'error' }));
    expect(error).toMatchObject({ name: 'StoreError', code: 'STORE' });
    expect(JSON.stringify([error.message, String(error)])).not.toContain('s3cr3t');
  });

  test('a server that accepts and never answers is a StoreError in bounded time', {
    timeout: 40_000,
  }, async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const error = await errorOf(() =>
      ZMsg.open({ postgresDsn: `postgresql://u@127.0.0.1:${port}/db`, logLevel: 'error' }),
    );
    expect(error).toMatchObject({ name: 'StoreError', code: 'STORE' });
    silent.close();
  });

  test('a config file that does not exist is named', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'zmsg-')), 'none.yaml');
    const error = await errorOf(() => ZMsg.open(file));
    expect(error).toMatchObject({ code: 'CONFIG' });
    expect(error.message).toContain(file);
  });
});

test('a closed engine refuses every call with ClosedError', async () => {
  const { zm } = await open();
  await zm.close();
  const calls: (() => unknown)[] = [
    () => zm.get('k'),
    () => zm.peek('k'),
    () => zm.getMany(['k']),
    () => zm.cacheOnly('k', DATA),
    () => zm.cacheAndStore('k', DATA),
    () => zm.cacheAndDelayStore('k', DATA),
    () => zm.cacheAndPeriodicStore('k', DATA),
    () => zm.update('k', DATA),
    () => zm.updateStore('k', DATA),
    () => zm.del('k'),
    () => zm.delStore('k'),
    () => zm.delDelayStore('k'),
    () => zm.exec(sql('SELECT 1')),
    () => zm.query(sql('SELECT 1')),
    () => zm.batch(),
    () => zm.dbHit('k'),
    () => zm.nextId(),
    () => zm.loader('p_', async () => new Map()),
    () => zm.announce(['k']),
    () => zm.flush(),
    () => zm.stats(),
    () => zm.loadSql('SELECT 1'),
  ];
  for (const call of calls)
    expect(await errorOf(call)).toMatchObject({ name: 'ClosedError', code: 'CLOSED' });
  await zm.close();
});
