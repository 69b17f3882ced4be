import { randomBytes } from 'node:crypto';
import { createDatabase, type RedisServer, startRedis, startTcpProxy, type TcpProxy } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import { Coherence, type CoherenceEvent, type CoherenceOptions } from '../dist/coherence/coherence.js';
import { type Body, encodeMessage } from '../dist/coherence/message.js';
import { engineMigrations } from '../dist/migrate/engine-migrations.js';
import { Store } from '../dist/store/store.js';
import { freshPrefix } from './open-engine.js';

/** Two or three nodes' links, over a Redis of their own and through a proxy each. */
let redis: RedisServer;
let publisher: Redis;
let store: Store;
let channel: string;

beforeAll(async () => {
  redis = await startRedis();
  publisher = new Redis(`redis://${redis.addr}`);
  publisher.on('error', () => {}); // Redis is killed
  store = new Store({
    connectionString: await createDatabase(inject('postgresPort')),
    maxOpen: 5,
    maxIdle: 5,
    maxLifetimeMs: 600_000,
    connectTimeoutMs: 30_000,
    onIdleError: () => {},
  });
  await engineMigrations(store).migrate();
});
afterAll(async () => {
  publisher.disconnect();
  await store.close();
  await redis.destroy();
});
beforeEach(() => {
  channel = `${freshPrefix()}coherence`;
});

/** Silence that a busy machine does not make by itself. */
const BOUNDS = { beatMs: 50, silentMs: 15_000, doubtTtlMs: 100, lookMs: 200, memberTtlMs: 45_000 };
/** Short enough to wait for. */
const HASTY = { bounds: { ...BOUNDS, silentMs: 1_000 } };
const PATIENT = { timeout: 30_000, interval: 10 };

interface Node {
  readonly link: Coherence;
  readonly proxy: TcpProxy;
  /** What happened to its L1. */
  readonly heard: (string | 'doubt' | 'shared doubt')[];
  readonly events: CoherenceEvent['type'][];
  owes: boolean;
}

async function openNode(more: Partial<CoherenceOptions> = {}, isWaiting = true): Promise<Node> {
  const proxy = await startTcpProxy(redis.port);
  const heard: Node['heard'] = [];
  const events: Node['events'] = [];
  const node: Node = { link: undefined as unknown as Coherence, proxy, heard, events, owes: false };
  const link = new Coherence({
    endpoint: { redisAddr: [proxy.addr], redisPassword: '', redisDb: 0 },
    channel,
    store,
    owes: () => node.owes,
    onKeys: (keys) => heard.push(...keys),
    onDoubt: () => heard.push('doubt'),
    onSharedDoubt: () => heard.push('shared doubt'),
    digestOf: () => undefined,
    onEvent: ({ type }) => events.push(type),
    onError: () => {},
    bounds: BOUNDS,
    ...more,
  });
  onTestFinished(async () => {
    await link.close();
    proxy.close();
  });
  await link.open(isWaiting ? 30_000 : 0);
  if (isWaiting) expect(link.isInDoubt).toBe(false);
  heard.length = 0;
  return Object.assign(node, { link });
}

/** A node of which only the messages exist; the test says what they are, and in which order they come. */
function stranger() {
  const id = randomBytes(16);
  return {
    instance: id.toString('hex'),
    send: (sequence: number, body: Body) => publisher.publish(channel, encodeMessage(id, sequence, body)),
  };
}
const beat = (owes = false): Body => ({ kind: 'beat', sentMs: 0, owes, wantsAnswer: false });
const keys = (...names: string[]): Body => ({ kind: 'keys', keys: names });

test('keys of one turn reach the other nodes in one message, byte for byte, and not their sender', async () => {
  const [a, b, c] = [await openNode(), await openNode(), await openNode()];
  await Promise.all([a.link.publish(['x', 'ключ']), a.link.publish(['x', '👍🏽', 'k'.repeat(512)])]);
  const told = ['x', 'ключ', '👍🏽', 'k'.repeat(512)];
  await expect.poll(() => b.heard, PATIENT).toEqual(told);
  await expect.poll(() => c.heard, PATIENT).toEqual(told);
  expect(a.heard).toEqual([]);
  expect(a.link.stats()).toMatchObject({ state: 'trusted', peers: 2, sentMessages: 1, sentKeys: 4 });
  expect(b.link.stats()).toMatchObject({ receivedKeys: 4, gaps: 0 });
});

test('many keys are several messages of bounded size, and too many are one that says: all', async () => {
  const [a, b] = [await openNode(), await openNode()];
  const many = Array.from({ length: 20_000 }, (_, n) => `key_${n}`);
  await a.link.publish(many);
  await expect.poll(() => b.heard.length, PATIENT).toBe(many.length);
  expect(a.link.stats().sentMessages).toBeGreaterThan(2);
  b.heard.length = 0;
  await a.link.publish(Array.from({ length: 50_001 }, (_, n) => `key_${n}`));
  await expect.poll(() => b.heard, PATIENT).toEqual(['doubt']);
  expect(b.events).toEqual([]);
});

test('a missing number empties L1; what comes late or twice is deleted, and is no gap', async () => {
  const b = await openNode();
  const { send } = stranger();
  await send(0, beat());
  await send(1, keys('1'));
  await send(3, keys('3'));
  await send(2, keys('2'));
  await send(3, keys('3'));
  await send(3, beat());
  await expect.poll(() => b.heard.length, PATIENT).toBe(5);
  expect(b.heard).toEqual(['1', 'doubt', '3', '2', '3']);
  expect(b.events).toEqual(['coherence:messages:missed']);
  // A message that Redis did not take has a number; the next beat tells.
  await send(5, beat());
  await expect.poll(() => b.link.stats().gaps, PATIENT).toBe(2);
  await send(6, keys('6'));
  await expect.poll(() => b.heard.at(-1), PATIENT).toBe('6');
  expect(b.link.stats().gaps).toBe(2);
});

test('a node of which the first message is missing was missed; a new one was not', async () => {
  const b = await openNode();
  await stranger().send(0, beat());
  await stranger().send(1, keys('first'));
  await expect.poll(() => b.heard, PATIENT).toEqual(['first']);
  await stranger().send(2, keys('second'));
  await expect.poll(() => b.heard, PATIENT).toEqual(['first', 'doubt', 'second']);
});

test('messages of no known format change nothing', async () => {
  const b = await openNode();
  const damaged = encodeMessage(randomBytes(16), 1, keys('k'));
  damaged.writeUInt16LE(500, 26);
  await publisher.publish(channel, damaged);
  await publisher.publish(channel, Buffer.from('hello'));
  await publisher.publish(channel, Buffer.alloc(0));
  await stranger().send(1, keys('k'));
  await expect.poll(() => b.heard, PATIENT).toEqual(['k']);
});

test('a connection that breaks is a gap: L1 is emptied at once, and again when it is back', async () => {
  const [a, b] = [await openNode(), await openNode()];
  b.proxy.cut();
  await expect.poll(() => b.events, PATIENT).toEqual(['coherence:link:lost']);
  expect(b.heard).toEqual(['doubt']);
  expect(b.link.l1Ttl(60_000, performance.now())).toBeLessThanOrEqual(BOUNDS.doubtTtlMs);
  // From the moment that a value was asked for, not from the answer.
  expect(b.link.l1Ttl(60_000, performance.now() - BOUNDS.doubtTtlMs)).toBeLessThanOrEqual(0);
  await a.link.publish(['missed']);
  b.proxy.heal();
  await expect.poll(() => b.events, PATIENT).toEqual(['coherence:link:lost', 'coherence:link:restored']);
  expect(b.heard).toEqual(['doubt', 'doubt']);
  expect(b.link.l1Ttl(60_000, performance.now())).toBe(60_000);
  await a.link.publish(['heard']);
  await expect.poll(() => b.heard.at(-1), PATIENT).toBe('heard');
});

test('a half-open connection is noticed by its silence, on both sides of it', async () => {
  const [a, b] = [await openNode(HASTY), await openNode(HASTY)];
  b.proxy.stall();
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(true);
  // What b writes now, a does not hear of.
  await expect.poll(() => a.link.isInDoubt, PATIENT).toBe(true);
  await b.link.publish(['untold']);
  expect(b.link.stats().failedMessages).toBe(1);
  b.proxy.heal();
  await expect.poll(() => a.link.isInDoubt || b.link.isInDoubt, PATIENT).toBe(false);
  expect(a.heard.filter((each) => each === 'doubt').length).toBeGreaterThanOrEqual(2);
  expect(a.events).toEqual(expect.arrayContaining(['coherence:link:lost', 'coherence:link:restored']));
});

test('a Redis that is killed and comes back empty puts all nodes in doubt until they hear each other', async () => {
  const [a, b] = [await openNode(), await openNode()];
  await redis.stop('SIGKILL');
  await expect.poll(() => a.link.isInDoubt && b.link.isInDoubt, PATIENT).toBe(true);
  await a.link.publish(['untold']);
  await redis.start();
  await expect.poll(() => a.link.isInDoubt || b.link.isInDoubt, PATIENT).toBe(false);
  await a.link.publish(['told']);
  await expect.poll(() => b.heard.at(-1), PATIENT).toBe('told');
});

test('a node that says goodbye is not waited for, and one that vanished is until its row has ended', async () => {
  const b = await openNode(HASTY);
  const a = await openNode(HASTY);
  await a.link.close();
  await expect.poll(() => b.link.stats().peers, PATIENT).toBe(0);
  expect(b.events).toEqual([]);
  const { instance, send } = stranger();
  await store.exec(`INSERT INTO zmsg_members VALUES ($1, $2, now() + interval '1 hour', false)`, [
    instance,
    channel,
  ]);
  await send(0, beat());
  await expect.poll(() => b.events, PATIENT).toEqual(['coherence:link:lost']);
  expect(b.heard).toEqual(['doubt']);
  await store.exec('UPDATE zmsg_members SET alive_until = now() WHERE instance = $1', [instance]);
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(false);
  expect(b.heard).toEqual(['doubt', 'doubt']);
  await expect
    .poll(() => store.exec('SELECT 1 FROM zmsg_members WHERE instance = $1', [instance]), PATIENT)
    .toMatchObject({ rowCount: 0 });
});

test('when a node dies that could not tell Redis what it wrote, nothing in Redis is believed', async () => {
  const b = await openNode(HASTY);
  const { instance, send } = stranger();
  const insert = `INSERT INTO zmsg_members VALUES ($1, $2, now() + interval '1 hour', true)`;
  await store.exec(insert, [instance, channel]);
  await send(0, beat());
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(true);
  expect(b.heard).not.toContain('shared doubt');
  await store.exec('UPDATE zmsg_members SET alive_until = now() WHERE instance = $1', [instance]);
  await expect.poll(() => b.heard, PATIENT).toContain('shared doubt');
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(false);
  expect(b.heard.filter((each) => each === 'shared doubt')).toHaveLength(1);
});

test('a node that Redis never heard, but PostgreSQL, keeps the others in doubt', async () => {
  const b = await openNode(HASTY);
  const cutOff = await openNode(
    { ...HASTY, endpoint: { redisAddr: ['127.0.0.1:1'], redisPassword: '', redisDb: 0 } },
    false,
  );
  expect(cutOff.link.isInDoubt).toBe(true);
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(true);
  await cutOff.link.close();
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(false);
});

test('a node whose L2 owes a repair for long keeps the others in doubt until it is done', async () => {
  const [a, b] = [await openNode(), await openNode()];
  a.owes = true;
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(true);
  a.owes = false;
  await expect.poll(() => b.link.isInDoubt, PATIENT).toBe(false);
});

test('that Redis does not know of a write is on record before it, and no more when that is repaired', async () => {
  const a = await openNode();
  const recorded = async () => {
    const { rows } = await store.exec<{ owes: boolean }>('SELECT owes FROM zmsg_members WHERE fleet = $1', [
      channel,
    ]);
    return rows;
  };
  a.owes = true;
  await a.link.recordOwing();
  expect(await recorded()).toEqual([{ owes: true }]);
  a.owes = false;
  await expect.poll(recorded, PATIENT).toEqual([{ owes: false }]);
});

test('a node asks the others what they have of some keys', async () => {
  const digest = (text: string) => Buffer.from(text.padEnd(8));
  const a = await openNode();
  await openNode({ digestOf: (key) => (key === 'k' ? digest('first') : undefined) });
  await openNode({ digestOf: (key) => digest(`other ${key}`) });
  const answers = [...(await a.link.ask(['k', 'l'], 30_000)).values()].map((each) =>
    Object.fromEntries(each),
  );
  expect(answers).toHaveLength(2);
  expect(answers).toContainEqual({ k: digest('first'), l: undefined });
  expect(answers).toContainEqual({ k: digest('other k'), l: digest('other l') });
  await expect(a.link.ask(new Array(1001).fill('k'), 1)).rejects.toThrow(RangeError);
});
