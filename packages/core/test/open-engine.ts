import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { expect, inject, onTestFinished } from 'vitest';
import { attach, type EngineStats, ZMsg, type ZMsgOptions } from '../dist/index.js';

export interface Opened {
  zm: ZMsg;
  dsn: string;
  /** One statement over a connection of its own, past the engine. */
  psql: (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  options: ZMsgOptions;
  /** With nothing in it that is older than the call. */
  stats: () => Promise<EngineStats>;
}

export interface Attached extends Opened {
  /** The engine that `zm` is attached to. */
  owner: ZMsg;
}

const TABLES = `
  CREATE TABLE feeds (id text PRIMARY KEY, content text, status text NOT NULL DEFAULT 'new');
  CREATE TABLE feed_meta (
    id text PRIMARY KEY, like_count bigint NOT NULL DEFAULT 0, view_count bigint NOT NULL DEFAULT 0,
    score numeric, tags jsonb NOT NULL DEFAULT '[]', extra jsonb NOT NULL DEFAULT '{}'
  );
`;

let prefixes = 0;

/** A Redis key prefix that nobody else uses. */
export function freshPrefix(): string {
  return `test:${process.pid}:${Date.now().toString(36)}:${prefixes++}:`;
}

/** An engine on an empty database with the tables of the tests; closed when the test is finished. */
export async function open(options: ZMsgOptions = {}): Promise<Opened> {
  const postgresDsn = options.postgresDsn ?? (await createDatabase(inject('postgresPort')));
  const all: ZMsgOptions = {
    postgresDsn,
    logLevel: 'error',
    batchShards: 2,
    cachePrefix: freshPrefix(),
    dataDir: freshDir(),
    ...options,
  };
  const zm = await ZMsg.open(all);
  onTestFinished(() => zm.close().catch(() => {})); // a test may have closed it, or taken its database away
  const psql = statements(postgresDsn);
  const existing = await psql(`SELECT to_regclass('feeds') AS feeds`);
  if (existing[0]?.feeds === null) await psql(TABLES);
  return { zm, dsn: postgresDsn, psql, options: all, stats: async () => zm.stats() };
}

/** The same over a port: attached in the thread that opened it, which nothing in an attached engine knows. */
export async function openAttached(options: ZMsgOptions = {}): Promise<Attached> {
  const opened = await open(options);
  const owner = opened.zm;
  const zm = await attach(owner.openThread().handle);
  onTestFinished(() => zm.close().catch(() => {}));
  const stats = async () => {
    const { load, bloom } = owner.stats();
    await expect.poll(() => zm.stats()).toMatchObject({ load, bloom: { negatives: bloom?.negatives } });
    return zm.stats();
  };
  return { ...opened, zm, owner, stats };
}

export function freshDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'zmsg-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function statements(dsn: string) {
  return async (text: string, values?: unknown[]): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: dsn });
    await client.connect();
    try {
      const result = await client.query(text, values);
      return result.rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  };
}
