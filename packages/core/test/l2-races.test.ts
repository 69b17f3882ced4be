import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { RedisCache } from '../dist/l2/redis-cache.js';
import type { TierLease } from '../dist/l2/shared-tier.js';
import { freshPrefix } from './open-engine.js';

/** Two nodes' views of one tier, and Redis itself. */
let a: RedisCache;
let b: RedisCache;
let redis: Redis;
let prefix: string;

beforeAll(() => {
  redis = new Redis(`redis://${inject('redisAddr')}`);
});
afterAll(() => redis.disconnect());

beforeEach(async () => {
  prefix = freshPrefix();
  const open = () =>
    RedisCache.open({
      redisAddr: [inject('redisAddr')],
      redisPassword: '',
      redisDb: 0,
      redisPoolSize: 1,
      cachePrefix: prefix,
      // The machine may be slow; what is tested here is not time.
      commandTimeoutMs: 10_000,
    });
  a = await open();
  b = await open();
});
afterEach(async () => {
  await a.close();
  await b.close();
});

const TTL = 600_000;
const old = Buffer.from('old');
const value = (text: string) => ({ mode: 'set', value: Buffer.from(text), ttlMs: TTL }) as const;
const token = () => randomBytes(8);
const read = async () => (await a.get('k'))?.value.toString();
const name = () => `${prefix}v:k`;

async function leased(cache: RedisCache): Promise<TierLease> {
  const lease = await cache.lease('k');
  if (!Buffer.isBuffer(lease)) throw new Error('no lease');
  return lease;
}

test('a load is filled under its lease, with its kind and lifetime', async () => {
  expect(await b.fill('k', old, TTL, await leased(b))).toBe(true);
  expect(await a.get('k')).toMatchObject({ value: old, kind: 'stored' });
  expect(await redis.pttl(name())).toBeGreaterThan(TTL - 60_000);
});

test.each([
  [
    'a strong write',
    async () => {
      const mine = token();
      await a.begin('k', mine);
      expect(await a.end('k', mine, value('new'))).toBe('done');
    },
    'new',
  ],
  [
    'a strong delete',
    async () => {
      const mine = token();
      await a.begin('k', mine);
      expect(await a.end('k', mine, { mode: 'drop' })).toBe('done');
    },
    undefined,
  ],
  ['a delete', () => a.delete(['k']), undefined],
  ['a value of the caches alone', () => a.set('k', Buffer.from('new'), TTL), 'new'],
  [
    'a value that is over by now',
    async () => {
      await a.set('k', Buffer.from('new'), TTL);
      await redis.pexpire(name(), 0);
    },
    undefined,
  ],
  ['an eviction', () => redis.del(name()), undefined],
  [
    'a later load',
    async () => {
      await redis.del(name());
      await leased(a);
    },
    undefined,
  ],
])('a slow load does not come over %s', async (_what, happens, stays) => {
  const lease = await leased(b);
  await happens();
  expect(await b.fill('k', old, TTL, lease)).toBe(false);
  expect(await read()).toBe(stays);
});

test('two nodes that load at once share the lease, and a third finds what the first filled', async () => {
  const first = await leased(a);
  const second = await leased(b);
  expect(second).toEqual(first);
  expect(await a.fill('k', old, TTL, first)).toBe(true);
  expect(await b.lease('k')).toMatchObject({ value: old, kind: 'stored' });
  expect(await b.fill('k', Buffer.from('other'), TTL, second)).toBe(false);
});

test('a lease that is given back leaves nothing, and one that was taken over stays', async () => {
  await a.giveBack('k', await leased(a));
  expect(await redis.exists(name())).toBe(0);
  const lease = await leased(a);
  await b.set('k', old, TTL);
  await a.giveBack('k', lease);
  expect(await read()).toBe('old');
});

test('while a strong write is under way the old value is read, for a bounded time, and nothing is filled', async () => {
  await a.set('k', old, TTL);
  const mine = token();
  await a.begin('k', mine);
  expect(await read()).toBe('old');
  expect(await redis.pttl(name())).toBeLessThanOrEqual(10_000);
  await redis.del(name());
  await a.begin('k', mine);
  expect(await b.lease('k')).toBeUndefined();
  expect(await redis.pttl(name())).toBeGreaterThan(0);
});

test('a statement that changed nothing leaves the value with its lifetime', async () => {
  await a.set('k', old, TTL);
  const before = Number(await redis.call('PEXPIRETIME', name()));
  const mine = token();
  await a.begin('k', mine);
  expect(await a.end('k', mine, { mode: 'undo' })).toBe('done');
  expect(await read()).toBe('old');
  expect(Math.abs(Number(await redis.call('PEXPIRETIME', name())) - before)).toBeLessThan(1000);
  await a.set('k', old, Number.POSITIVE_INFINITY);
  await a.begin('k', mine);
  await a.end('k', mine, { mode: 'undo' });
  expect(await redis.pttl(name())).toBe(-1);
  await redis.del(name());
  await a.begin('k', mine);
  expect(await a.end('k', mine, { mode: 'undo' })).toBe('done');
  expect(await redis.exists(name())).toBe(0);
});

test('replacing keeps the lifetime, and puts nothing where nothing was', async () => {
  const mine = token();
  await a.begin('k', mine);
  const replace = { mode: 'replace', value: Buffer.from('new') } as const;
  expect(await a.end('k', mine, replace)).toBe('absent');
  expect(await redis.exists(name())).toBe(0);
  await a.set('k', old, TTL);
  await a.begin('k', mine);
  expect(await a.end('k', mine, replace)).toBe('done');
  expect(await b.get('k')).toMatchObject({ value: Buffer.from('new'), kind: 'stored' });
  expect(await redis.pttl(name())).toBeGreaterThan(TTL - 60_000);
});

/*
 * Begin (1, 2), commit (c, d) and end (3, 4) of two writers, in all orders in which each begins, commits
 * and ends. Whoever commits last is what the database has: a value that stays must be his.
 */
const ORDERS = interleavings(['1', 'c', '3'], ['2', 'd', '4']);
test.each(ORDERS)('two writers, %s: what stays is what was committed last', async (order) => {
  const tokens = [token(), token()];
  let committed = '';
  for (const step of order) {
    if (step === '1') await a.begin('k', tokens[0] as Buffer);
    if (step === '2') await b.begin('k', tokens[1] as Buffer);
    if (step === 'c') committed = 'A';
    if (step === 'd') committed = 'B';
    if (step === '3') await a.end('k', tokens[0] as Buffer, value('A'));
    if (step === '4') await b.end('k', tokens[1] as Buffer, value('B'));
  }
  const left = await read();
  const isSerial = order === '1c32d4' || order === '2d41c3';
  expect(left).toBe(isSerial ? committed : undefined);
  if (!isSerial) expect(await redis.exists(name())).toBe(0);
});

test('of many writers at once none sets a value, and the last one clears the way', async () => {
  const tokens = Array.from({ length: 5 }, token);
  await a.set('k', old, TTL);
  for (const each of tokens) await a.begin('k', each);
  for (const [at, each] of tokens.entries()) {
    expect(await b.lease('k')).toEqual(at === 0 ? expect.objectContaining({ value: old }) : undefined);
    expect(await b.end('k', each, value('new'))).toBe('conflict');
  }
  expect(await redis.exists(name())).toBe(0);
});

test('a writer whose mark has ended sets nothing', async () => {
  const mine = token();
  await a.begin('k', mine);
  await redis.del(name());
  const lease = await leased(b);
  expect(await b.fill('k', old, TTL, lease)).toBe(true);
  expect(await a.end('k', mine, value('new'))).toBe('conflict');
  expect(await read()).toBeUndefined();
  // Begun again in the middle of it: what happened since is not known.
  await a.begin('k', mine);
  await redis.del(name());
  await a.begin('k', mine, true);
  expect(await a.end('k', mine, value('new'))).toBe('conflict');
  expect(await redis.exists(name())).toBe(0);
});

test('a long write keeps its mark by beginning again', async () => {
  const mine = token();
  await a.begin('k', mine);
  await redis.pexpire(name(), 500);
  await a.begin('k', mine, true);
  expect(await redis.pttl(name())).toBeGreaterThan(5000);
  expect(await a.end('k', mine, value('new'))).toBe('done');
  expect(await read()).toBe('new');
});

test.each([
  ['a delete', () => b.delete(['k'])],
  ['a value of the caches alone', () => b.set('k', Buffer.from('x'), TTL)],
  ['a replacement', () => b.replace('k', Buffer.from('x'))],
])('%s while a strong write is under way makes that set nothing', async (_what, happens) => {
  await a.set('k', old, TTL);
  const mine = token();
  await a.begin('k', mine);
  await happens();
  expect(await a.end('k', mine, value('new'))).toBe('conflict');
  expect(await redis.exists(name())).toBe(0);
});

test('a value that ends before its write might is not kept for it', async () => {
  await a.set('k', old, 5000);
  await a.begin('k', token());
  expect(await read()).toBeUndefined();
  expect(await redis.pttl(name())).toBeGreaterThan(5000);
});

function interleavings(left: string[], right: string[]): string[] {
  const [l, ...ls] = left;
  const [r, ...rs] = right;
  if (l === undefined || r === undefined) return [[...left, ...right].join('')];
  return [
    ...interleavings(ls, right).map((rest) => l + rest),
    ...interleavings(left, rs).map((rest) => r + rest),
  ];
}
