import { createDatabase, type RedisServer, startRedis } from '@zmsg/testbed';
import { afterAll, beforeAll, beforeEach, expect, inject, test, vi } from 'vitest';
import type { EngineStats } from '../dist/index.js';
import { FleetNode } from './fleet-node.js';
import { statements } from './open-engine.js';

const NODES = 5;
const soon = { timeout: 40_000, interval: 20 };

let server: RedisServer;
let psql: ReturnType<typeof statements>;
let nodes: FleetNode[];

beforeAll(async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  psql = statements(dsn);
  await psql(`CREATE TABLE feeds (id text PRIMARY KEY, content text);
    CREATE TABLE pace (ms int); INSERT INTO pace VALUES (0);
    CREATE TABLE loads (id bigserial, key text, node text, started timestamptz DEFAULT clock_timestamp(),
                        ended timestamptz);
    INSERT INTO feeds SELECT 'paced_' || n, 'value ' || n FROM generate_series(1, 1500) n`);
  server = await startRedis();
  const start = (n: number) =>
    FleetNode.start(`node ${n}`, {
      postgresDsn: dsn,
      redisAddr: server.addr,
      delayBackend: 'postgres',
      loadWait: '4s',
    });
  nodes = [await start(0)]; // one makes the tables
  nodes.push(...(await Promise.all(Array.from({ length: NODES - 1 }, (_, n) => start(n + 1)))));
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.destroy()));
  await server.destroy();
});

beforeEach(async () => {
  await psql('TRUNCATE loads');
});

const pace = (ms: number) => psql('UPDATE pace SET ms = $1', [ms]);
const soonTogether = () => Date.now() + 50;
const loadsOf = async (key: string) =>
  (await psql('SELECT node, started, ended FROM loads WHERE key = $1 ORDER BY id', [key])) as {
    node: string;
    started: Date;
    ended: Date | null;
  }[];
const flights = async () =>
  (await Promise.all(nodes.map((node) => node.ask<EngineStats>('stats')))).map(({ flight }) => flight);
const isAnyLoading = async (key: string) => {
  await vi.waitFor(async () => expect(await loadsOf(key)).toHaveLength(1), soon);
};

test('of five processes that miss one key at one moment one loads it', async () => {
  await pace(40);
  const counts: number[] = [];
  for (let round = 1; round <= 10; round++) {
    const at = soonTogether();
    const values = await Promise.all(nodes.map((node) => node.ask('get', [`paced_${round}`], at)));
    expect(values).toEqual(nodes.map(() => `value ${round}`));
    counts.push((await loadsOf(`paced_${round}`)).length);
  }
  // A machine that stands still for seconds is allowed a few.
  expect(counts.filter((count) => count === 1).length).toBeGreaterThanOrEqual(8);
  for (const stats of await flights()) expect(stats?.served).toBeGreaterThan(0);
});

test('Redis stops answering while they wait: all load, none fails, and later one loads again', async () => {
  const [first, ...others] = nodes as [FleetNode, ...FleetNode[]];
  await pace(1500);
  const slow = first.ask('get', ['paced_22']);
  await isAnyLoading('paced_22');
  await pace(0);
  const waiting = others.map((node) => node.ask('get', ['paced_22']));
  server.pause();
  expect(await Promise.all(waiting)).toEqual(others.map(() => 'value 22'));
  expect(await slow).toBe('value 22');
  expect(await Promise.all(nodes.map((node) => node.ask('get', ['paced_23'])))).toEqual(
    nodes.map(() => 'value 23'),
  );
  expect(await loadsOf('paced_23')).toHaveLength(NODES);
  server.resume();
  await pace(40);
  let key = 30;
  await vi.waitFor(async () => {
    key += 1;
    const at = soonTogether();
    await Promise.all(nodes.map((node) => node.ask('get', [`paced_${key}`], at)));
    expect(await loadsOf(`paced_${key}`)).toHaveLength(1);
  }, soon);
});

test('when the process that loads is killed those that wait have their value all the same', async () => {
  const [first, ...others] = nodes as [FleetNode, ...FleetNode[]];
  await pace(60_000);
  const lost = first.ask('get', ['paced_21']).catch((error: Error) => error.message);
  await isAnyLoading('paced_21');
  await pace(0);
  const waiting = others.map((node) => node.ask('get', ['paced_21']));
  await first.kill();
  expect(await lost).toMatch(/ended/);
  expect(await Promise.all(waiting)).toEqual(others.map(() => 'value 21'));
  const loads = await loadsOf('paced_21');
  expect(loads[0]).toMatchObject({ node: 'node 0', ended: null });
  // How many of them: when the silence of the dead one is noticed, each node trusts only what it has loaded.
  expect(loads.length).toBeGreaterThanOrEqual(2);
});
