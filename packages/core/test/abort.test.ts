import { describe, expect, test } from 'vitest';
import { sql } from '../dist/index.js';
import { openAttached, open as openOwner } from './open-engine.js';

const DATA = Buffer.from('x');
const SLOW = () => sql('SELECT pg_sleep(3)');

describe.each([
  ['in the thread that opened the engine', openOwner],
  ['in an attached thread', openAttached],
])('%s', (_name, open) => {
  test('a signal that fired already rejects every waiting call with its reason', async () => {
    const { zm, psql } = await open();
    const reason = new Error('stop');
    const signal = AbortSignal.abort(reason);
    const calls: (() => Promise<unknown>)[] = [
      () => zm.get('k', { signal }),
      () => zm.getOrThrow('k', { signal }),
      () => zm.getMany(['k'], { signal }),
      () => zm.cacheOnly('k', DATA, { signal }),
      () => zm.cacheAndStore('k', DATA, undefined, { signal }),
      () => zm.cacheAndDelayStore('k', DATA, undefined, { signal }),
      () => zm.cacheAndPeriodicStore('k', DATA, undefined, { signal }),
      () => zm.update('k', DATA, { signal }),
      () => zm.updateStore('k', DATA, undefined, { signal }),
      () => zm.del('k', { signal }),
      () => zm.delStore('k', undefined, { signal }),
      () => zm.delDelayStore('k', undefined, { signal }),
      () => zm.exec(sql('SELECT 1'), { signal }),
      () => zm.query(sql('SELECT 1'), { signal }),
      () => zm.batch().cacheAndStore('k', DATA).execute({ signal }),
      () => zm.dbHit('k', { signal }),
      () => zm.announce(['k'], { signal }),
      () => zm.flush({ signal }),
    ];
    for (const call of calls) await expect(call()).rejects.toBe(reason);
    await zm.flush();
    expect(await psql('SELECT * FROM zmsg_data')).toEqual([]);
  });

  test('a call whose signal fires while it waits rejects promptly and leaves the engine usable', async () => {
    const { zm } = await open({ postgresMaxOpenConns: 4 });
    const started = performance.now();
    await expect(zm.exec(SLOW(), { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(
      zm.cacheAndStore('k', DATA, SLOW(), { signal: AbortSignal.timeout(50) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' });
    await expect(zm.query(SLOW(), { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    expect(performance.now() - started).toBeLessThan(2_500); // none waited for its three seconds
    await zm.cacheAndStore('other', DATA);
    expect(await zm.get('other')).toEqual(DATA);
  });

  test('one reader that gives up does not take the load from another', async () => {
    const { zm } = await open();
    let release = () => {};
    const loading = new Promise<void>((resolve) => {
      release = resolve;
    });
    zm.loader(
      'slow_',
      async (keys) => {
        await loading;
        return new Map(keys.map((key) => [key, 'value']));
      },
      { bloom: false },
    );
    const controller = new AbortController();
    const first = zm.get('slow_1', { signal: controller.signal });
    const second = zm.get('slow_1');
    controller.abort(new Error('gave up'));
    await expect(first).rejects.toThrow('gave up');
    release();
    expect((await second)?.toString()).toBe('value');
  });

  test('a write that commits after its caller gave up is not hidden by an older cached value', async () => {
    const { zm } = await open();
    await zm.cacheAndStore('k', Buffer.from('old'));
    const write = sql(
      `WITH slept AS (SELECT pg_sleep(0.5)) UPDATE zmsg_data SET data = ? FROM slept WHERE id = ?`,
      Buffer.from('new'),
      'k',
    );
    const aborted = zm.cacheAndStore('k', Buffer.from('new'), write, { signal: AbortSignal.timeout(50) });
    await expect(aborted).rejects.toMatchObject({ name: 'TimeoutError' });
    await expect.poll(async () => (await zm.get('k'))?.toString()).toBe('new');
  });

  test('a load that began before a write neither fills the cache nor answers later readers', async () => {
    const { zm } = await open();
    const releases: (() => void)[] = [];
    const values = ['old', 'new'];
    zm.loader(
      'slow_',
      async (keys) => {
        const value = values.shift() ?? 'newest';
        if (value === 'old') await new Promise<void>((resolve) => releases.push(resolve));
        return new Map(keys.map((key) => [key, value]));
      },
      { bloom: false },
    );
    const early = zm.get('slow_1');
    await expect.poll(() => releases.length).toBe(1);
    await zm.del('slow_1');
    expect((await zm.get('slow_1'))?.toString()).toBe('new');
    for (const release of releases) release();
    expect((await early)?.toString()).toBe('old');
    expect(zm.peek('slow_1')?.toString()).toBe('new');
  });
});
