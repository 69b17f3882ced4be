import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { inject } from 'vitest';
import { BossDelayQueue } from '../dist/delay/boss-delay-queue.js';
import { BullDelayQueue } from '../dist/delay/bull-delay-queue.js';
import type { DelayEvent, DelayQueue, DelayQueueOptions } from '../dist/delay/delay-queue.js';
import { DelayedWriter } from '../dist/delay/delayed-writer.js';
import type { WriteTarget } from '../dist/delay/write-job.js';
import { type Embedded, startEmbedded } from '../dist/store/embedded.js';
import { Store } from '../dist/store/store.js';

export interface OpenQueue extends DelayQueueOptions {
  writer?: WriteTarget;
}

/** A database with the engine's tables, a queue backend, and everything that was opened on them. */
export interface DelayBackend {
  readonly store: Store;
  readonly writer: DelayedWriter;
  readonly events: DelayEvent[];
  open(options?: OpenQueue): Promise<DelayQueue>;
  destroy(): Promise<void>;
}

let created = 0;

function storeOn(connectionString: string): Store {
  return new Store({
    connectionString,
    maxOpen: 5,
    maxIdle: 5,
    maxLifetimeMs: 60_000,
    connectTimeoutMs: 5000,
    onIdleError: () => {},
  });
}

async function backendOn(
  dsn: string,
  openQueue: (options: OpenQueue & { writer: WriteTarget }) => Promise<DelayQueue>,
  cleanUp: () => Promise<void>,
): Promise<DelayBackend> {
  const store = storeOn(dsn);
  await store.exec(await readFile(new URL('../../../schema/001_engine.sql', import.meta.url), 'utf8'));
  const writer = new DelayedWriter({ store });
  const events: DelayEvent[] = [];
  const queues: DelayQueue[] = [];
  return {
    store,
    writer,
    events,
    async open(options = {}) {
      const onEvent = (event: DelayEvent) => events.push(event);
      const queue = await openQueue({ writer, onEvent, backoffMs: 20, ...options });
      queues.push(queue);
      return queue;
    },
    async destroy() {
      await Promise.all(queues.map((queue) => queue.close()));
      await writer.close();
      await store.close();
      await cleanUp();
    },
  };
}

async function onRedis(): Promise<DelayBackend> {
  const redisAddr = [inject('redisAddr')];
  const cachePrefix = `delay{${process.pid}-${Date.now().toString(36)}-${created++}}:`;
  return backendOn(
    await createDatabase(inject('postgresPort'), 'delay'),
    (options) => BullDelayQueue.open({ redisAddr, redisPassword: '', redisDb: 0, cachePrefix, ...options }),
    async () => {
      const redis = new Redis(`redis://${redisAddr[0]}`);
      const keys = await redis.keys(`{delay%7B${cachePrefix.slice(6, -2)}%7D:}*`);
      if (keys.length > 0) await redis.del(keys);
      await redis.quit();
    },
  );
}

async function onPostgres(): Promise<DelayBackend> {
  const connectionString = await createDatabase(inject('postgresPort'), 'delay');
  const open = (options: OpenQueue & { writer: WriteTarget }) =>
    BossDelayQueue.open({ connectionString, ...options });
  return backendOn(connectionString, open, async () => {});
}

const dir = mkdtempSync(join(tmpdir(), 'zmsg-delay-'));
let embedded: Promise<Embedded> | undefined;

/** One embedded server for all tests of a file: it takes seconds to start. */
async function onPglite(): Promise<DelayBackend> {
  embedded ??= startEmbedded({ dataDir: dir, logger: pino({ level: 'silent' }) });
  const { connectionString } = await embedded;
  const store = storeOn(connectionString);
  await store.exec(
    'DROP SCHEMA IF EXISTS zmsg_boss CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public',
  );
  await store.close();
  const open = (options: OpenQueue & { writer: WriteTarget }) =>
    BossDelayQueue.open({ connectionString, ...options });
  return backendOn(connectionString, open, async () => {});
}

export async function stopDelayBackends(): Promise<void> {
  await (await embedded)?.close();
  embedded = undefined;
  rmSync(dir, { recursive: true, force: true });
}

/** Every implementation of `DelayQueue`, on every backend it is used with. */
export const delayBackends: readonly (readonly [name: string, start: () => Promise<DelayBackend>])[] = [
  ['BullMQ on Redis', onRedis],
  ['pg-boss on PostgreSQL', onPostgres],
  ['pg-boss on embedded PostgreSQL', onPglite],
];
