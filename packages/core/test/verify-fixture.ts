import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { expect, inject, onTestFinished } from 'vitest';
import { type Shards, startShards } from '../../workers/dist/index.js';
import { crashAfter, optionsOf, type Step } from '../../workers/test/crash.js';
import { counter, ZMsg } from '../dist/index.js';
import { migrateDatabase } from '../dist/migrate/index.js';
import { type NodeVerification, verifyNode } from '../dist/verify/index.js';
import { freshDir, statements } from './open-engine.js';

/** Docs: docs/verify.md */
export const LEDGER = `
  CREATE TABLE ledger (
    table_name text NOT NULL, column_name text NOT NULL, key_column text NOT NULL, key text NOT NULL,
    acknowledged numeric NOT NULL DEFAULT 0, attempted numeric,
    PRIMARY KEY (table_name, column_name, key_column, key)
  )`;

export const SEGMENT_BYTES = 8192;

/** A database with counters, a ledger and the directory of a node, which can be run until it is killed. */
export class VerifiedNode {
  readonly dataDir = freshDir();
  readonly dsn: string;
  readonly psql: ReturnType<typeof statements>;

  private constructor(dsn: string) {
    this.dsn = dsn;
    this.psql = statements(dsn);
  }

  static async create(): Promise<VerifiedNode> {
    const node = new VerifiedNode(await createDatabase(inject('postgresPort')));
    await migrateDatabase({ config: { postgresDsn: node.dsn }, env: {} });
    await node.psql(`${LEDGER};
      CREATE TABLE posts (id text PRIMARY KEY, likes bigint NOT NULL DEFAULT 0, score numeric, views int DEFAULT 0);
      CREATE TABLE users (id bigint PRIMARY KEY, followers int);
      INSERT INTO posts (id) SELECT 'p' || n FROM generate_series(0, 9) n;
      INSERT INTO users (id) SELECT n FROM generate_series(0, 9) n`);
    return node;
  }

  get walDir(): string {
    return join(this.dataDir, 'wal');
  }

  get #shardsOptions() {
    const log = { dir: this.walDir, durability: 'always' as const, syncIntervalMs: 1000 };
    return optionsOf(this.dsn, { ...log, segmentBytes: SEGMENT_BYTES });
  }

  /** Carries out the steps in a process of its own, which then is killed. */
  async crash(...steps: Step[]): Promise<void> {
    await crashAfter(steps, this.#shardsOptions);
  }

  /** The shards of a running node, which flush when they are told to. */
  async start(): Promise<Shards> {
    const shards = await startShards({ ...this.#shardsOptions, onEvent: () => {} });
    onTestFinished(() => shards.close());
    return shards;
  }

  /** Keeps everyone from reading a table of the engine's that the shards do not need. */
  async lockOperations(): Promise<{ waited: () => Promise<void>; release: () => Promise<void> }> {
    const client = new pg.Client({ connectionString: this.dsn });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE zmsg_operations IN ACCESS EXCLUSIVE MODE');
    const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%zmsg_operations%'`;
    return {
      waited: () => expect.poll(() => this.psql(waiting)).toEqual([{ n: 1 }]),
      release: () => client.end(),
    };
  }

  /** Starts the node again, which applies what its log holds, and closes it. */
  async recover(): Promise<void> {
    const { dsn, dataDir } = this;
    const zm = await ZMsg.open({ postgresDsn: dsn, dataDir, batchShards: 2, logLevel: 'error' });
    await zm.close();
  }

  async acknowledge(key: string, acknowledged: number, attempted: number | null = null): Promise<void> {
    await this.psql(`INSERT INTO ledger VALUES ('posts', 'likes', 'id', $1, $2, $3)`, [
      key,
      acknowledged,
      attempted,
    ]);
  }

  verify(ledger?: string): Promise<NodeVerification> {
    return verifyNode({ dataDir: this.dataDir, config: { postgresDsn: this.dsn }, env: {}, ledger });
  }

  segments(): string[] {
    const names = readdirSync(this.walDir, { recursive: true }) as string[];
    return names
      .filter((name) => name.endsWith('.seg'))
      .sort()
      .map((name) => join(this.walDir, name));
  }
}

export function like(id: string, n: number | string = 1) {
  return counter('posts', 'likes').inc(n).where('id = ?', id).build();
}

/** So many likes, in turns for the posts p0 to p9. */
export function likes(count: number) {
  return Array.from({ length: count }, (_, i) => like(`p${i % 10}`));
}

/** A way to the database on which nobody gets through before `open` is called. */
export async function gateTo(dsn: string) {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const url = new URL(dsn);
  const port = Number(url.port);
  const server = createServer((socket) => {
    void opened.then(() => {
      const upstream = connect(port, '127.0.0.1');
      socket.pipe(upstream).pipe(socket);
      for (const each of [socket, upstream]) each.on('error', () => {});
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  url.port = String((server.address() as AddressInfo).port);
  return { dsn: url.href, knocked: once(server, 'connection'), open };
}
