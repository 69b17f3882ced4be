import { SharedLRU } from 'sharedarraybuffer-lru';
import { beforeEach, expect, test } from 'vitest';
import { AuditDesk } from '../dist/audit/audit-desk.js';
import { type AuditRequest, decodeReply, decodeRequest, encodeRequest } from '../dist/audit/audit-message.js';
import { digestOf } from '../dist/audit/digest.js';
import { Loaders } from '../dist/load/loaders.js';
import { Store } from '../dist/store/store.js';

const NAME = { host: 'h', pid: 7, nodeId: undefined };
let l1: SharedLRU;
let loaders: Loaders;
let desk: AuditDesk;

beforeEach(() => {
  l1 = SharedLRU.create({ maxBytes: 1 << 20 });
  const store = new Store({
    connectionString: 'postgresql://127.0.0.1:1/nowhere',
    maxOpen: 1,
    maxIdle: 1,
    maxLifetimeMs: 60_000,
    connectTimeoutMs: 1_000,
    onIdleError: () => {},
  });
  loaders = new Loaders(store);
  desk = new AuditDesk({ l1, loaders, store, name: () => NAME });
});

async function ask(request: AuditRequest) {
  const reply = await desk.answer(encodeRequest(request));
  return reply && decodeReply(reply, request.kind === 'sample' ? 0 : request.keys.length);
}
const hex = (text: string) => digestOf(Buffer.from(text)).toString('hex');

test('a node tells what its L1 has, and until when', async () => {
  l1.set('a', Buffer.from('1'), { ttl: 60_000 });
  l1.set('b', Buffer.from('2'));
  const before = Date.now() + 60_000;
  const reply = await ask({ kind: 'copies', keys: ['a', 'ключ', 'b'] });
  if (reply?.kind !== 'copies') throw new Error(`unexpected: ${reply?.kind}`);
  const [a, none, b] = reply.copies;
  expect([a?.digest, none, b?.digest]).toEqual([hex('1'), undefined, hex('2')]);
  expect(Math.abs((a?.expiresAtMs ?? 0) - before)).toBeLessThan(60_000);
  expect(b?.expiresAtMs).toBe(Number.POSITIVE_INFINITY);
  expect(await ask({ kind: 'sample', count: 1 })).toMatchObject({ name: NAME, keys: [expect.any(String)] });
});

test('keys are loaded by their loaders, past all caches; of a loader that fails nothing is known', async () => {
  loaders.register(
    'x_',
    async (keys) => new Map(keys.filter((key) => key !== 'x_2').map((key) => [key, key])),
  );
  l1.set('x_1', Buffer.from('cached'));
  const loaded = await ask({ kind: 'load', keys: ['x_1', 'own', 'x_2'] });
  expect(loaded).toEqual({
    kind: 'load',
    loaded: [
      { digest: hex('x_1'), isOwnTable: false },
      'failed', // no PostgreSQL is there
      { digest: undefined, isOwnTable: false },
    ],
  });
  expect(loaders).toMatchObject({ loads: 0, queries: 0 });
});

test('one query at a time: who asks meanwhile is told that the node is busy', async () => {
  let finish = () => {};
  loaders.register('x_', () => new Promise((resolve) => (finish = () => resolve(new Map()))));
  const first = ask({ kind: 'load', keys: ['x_1'] });
  expect(await ask({ kind: 'load', keys: ['x_2'] })).toEqual({ kind: 'busy' });
  finish();
  expect(await first).toMatchObject({ kind: 'load' });
  const again = ask({ kind: 'load', keys: ['x_2'] });
  finish();
  expect(await again).toMatchObject({ kind: 'load' });
});

test('large values are hashed in several turns, and no more than two such requests at a time', async () => {
  l1 = SharedLRU.create({ maxBytes: 256 << 20, maxValueBytes: 1 << 20 });
  desk = new AuditDesk({ l1, loaders, store: undefined as never, name: () => NAME });
  const keys = Array.from({ length: 6 }, (_, n) => `k${n}`);
  for (const key of keys) expect(l1.set(key, Buffer.alloc(1 << 20, key))).toBe(true);
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const asked = [1, 2, 3].map(() => ask({ kind: 'copies', keys }));
  const kinds = (await Promise.all(asked)).map((reply) => reply?.kind);
  isDone = true;
  expect(kinds).toEqual(['copies', 'copies', 'busy']);
  expect(turns).toBeGreaterThanOrEqual(keys.length - 1);
});

test('what is no request is not answered', async () => {
  const many = encodeRequest({ kind: 'load', keys: new Array(201).fill('k') });
  const damaged = [Buffer.alloc(0), Buffer.from('hello'), Buffer.from([0x92, 0xa4]), many];
  const wrong = [
    { kind: 'load', keys: [''] },
    { kind: 'copies', keys: ['\0'] },
    { kind: 'copies', keys: 'k' },
    { kind: 'sample', count: -1 },
    { kind: 'sample', count: 201 },
    { kind: 'drop', keys: ['k'] },
  ].map((request) => encodeRequest(request as AuditRequest));
  for (const bytes of [...damaged, ...wrong]) {
    expect(decodeRequest(bytes)).toBeUndefined();
    expect(await desk.answer(bytes)).toBeUndefined();
  }
});
