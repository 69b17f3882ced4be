import { type Shards, startShards } from '@zmsg/workers';
import type { Logger } from 'pino';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { BloomGate } from './bloom/bloom-gate.js';
import { openDelayQueue } from './delay/index.js';
import type { DelayQueue } from './delay/delay-queue.js';
import type { EngineEvent } from './events.js';
import { IdGenerator } from './ids/id-generator.js';
import { parseId } from './ids/parse-id.js';
import { L2 } from './l2/l2.js';
import { RedisCache } from './l2/redis-cache.js';
import { Loaders } from './load/loaders.js';
import type { LoaderSource } from './load/source.js';
import { createLogger } from './log.js';
import { engineMigrations } from './migrate/index.js';
import type { ZMsgOptions } from './options/options.js';
import { resolveOptions } from './options/resolve.js';
import type { ResolvedOptions } from './options/resolved.js';
import { Reader } from './read/reader.js';
import { collectStats, type EngineStats } from './stats.js';
import { lockDataDir } from './store/data-dir.js';
import { startEmbedded } from './store/embedded.js';
import { Store } from './store/store.js';
import { Writer } from './write/writer.js';

/** The wired parts of an open engine. */
export interface Engine {
  readonly options: ResolvedOptions;
  readonly logger: Logger;
  readonly store: Store;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly shards: Shards;
  readonly bloom: BloomGate | undefined;
  readonly ids: IdGenerator;
  addLoader(prefix: string, source: LoaderSource, options?: { bloom?: boolean }): void;
  parseId(id: string): ReturnType<typeof parseId>;
  stats(): EngineStats;
  close(): Promise<void>;
}
