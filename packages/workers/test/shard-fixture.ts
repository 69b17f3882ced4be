import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { inject, onTestFinished } from 'vitest';
import {
  type ContentTask,
  type CounterTask,
  type MapTask,
  type PutTask,
  type ReadTask,
  type ShardEvent,
  type Shards,
  type ShardsOptions,
  type SliceTask,
  startShards,
  type Where,
} from '../dist/index.js';
import { ENGINE_TABLES } from './fold-fixture.js';

export async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => {}); // tests stop servers
  await client.connect();
  return client;
}

/** A database with the engine's tables and `posts`, and a connection to it that ends with the test. */
export async function openDatabase(connectionString?: string): Promise<{ dsn: string; client: pg.Client }> {
  const dsn = connectionString ?? (await createDatabase(inject('postgresPort'), 'shards'));
  const client = await connect(dsn);
  onTestFinished(() => client.end());
  await client.query(ENGINE_TABLES);
  await client.query(
    `CREATE TABLE posts (id text PRIMARY KEY, likes bigint DEFAULT 0, tags jsonb, extra jsonb, note text)`,
  );
  return { dsn, client };
}

export interface Opened {
  shards: Shards;
  events: ShardEvent[];
  /** Resolves with the next event of this type, or with one that came already and was not asked for. */
  event<T extends ShardEvent['type']>(type: T): Promise<Extract<ShardEvent, { type: T }>>;
}

export function freshLogDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'zmsg-log-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Shards that flush only when they are told to, unless the options say otherwise. Closed with the test. */
export async function openShards(dsn: string, over: Partial<ShardsOptions> = {}): Promise<Opened> {
  const events: ShardEvent[] = [];
  const seen = new Set<ShardEvent>();
  let onEvent = () => {};
  const shards = await startShards({
    store: { connectionString: dsn, maxConnections: 25, maxLifetimeMs: 300_000, singleSession: false },
    shards: 2,
    batchSize: 100_000,
    batchIntervalMs: 600_000,
    ringBytes: 1 << 16,
    pendingMax: 1_000_000,
    pendingMaxBytes: 2 ** 28,
    log: { dir: freshLogDir(), durability: 'off', syncIntervalMs: 600_000 },
    onFull: 'wait',
    onEvent: (event) => {
      events.push(event);
      onEvent();
    },
    ...over,
  });
  onTestFinished(() => shards.close({ timeoutMs: 2000 }).catch(() => {}));
  return {
    shards,
    events,
    async event<T extends ShardEvent['type']>(type: T) {
      for (;;) {
        const found = events.find((event) => event.type === type && !seen.has(event));
        if (found !== undefined) {
          seen.add(found);
          return found as Extract<ShardEvent, { type: T }>;
        }
        await new Promise<void>((resolve) => {
          onEvent = resolve;
        });
      }
    },
  };
}

const idIs = (id: unknown): Where => ({ text: 'id = ?', parts: ['id = ', ''], values: [id] });
const common = { batchKey: undefined, orInsert: undefined, text: '', values: [] } as const;

export function like(id: unknown, over: Partial<CounterTask> = {}): CounterTask {
  return {
    ...common,
    kind: 'counter',
    table: 'posts',
    column: 'likes',
    op: 'inc',
    operand: 1,
    where: idIs(id),
    ...over,
  };
}

export function tag(id: unknown, over: Partial<SliceTask>): SliceTask {
  return {
    ...common,
    kind: 'slice',
    table: 'posts',
    column: 'tags',
    op: 'add',
    operand: '1',
    where: idIs(id),
    ...over,
  };
}

export function extra(id: unknown, over: Partial<MapTask>): MapTask {
  const at = { table: 'posts', column: 'extra', where: idIs(id) };
  return { ...common, kind: 'map', op: 'set', key: 'k', operand: '1', ...at, ...over };
}

export function content(text: string, values: unknown[], batchKey?: string): ContentTask {
  return { kind: 'content', text, values, batchKey };
}

export function put(key: string, data: Uint8Array): PutTask {
  return { kind: 'put', key, data, batchKey: undefined, text: '', values: [] };
}

export function readLikes(id: unknown): ReadTask {
  const at = { table: 'posts', column: 'likes', where: idIs(id) };
  return { ...common, kind: 'counter', op: 'get', key: undefined, ...at };
}

export async function likesOf(client: pg.Client, id: unknown): Promise<string | undefined> {
  const { rows } = await client.query('SELECT likes::text FROM posts WHERE id = $1', [id]);
  return rows[0]?.likes;
}
