import type { LoadWatch } from './load-watch.js';
import type { PostText } from './post.js';

/** Where a contender works: servers, and room for its caches. The same for all. */
export interface Site {
  /** A database of its own, with the table `posts`. */
  dsn: string;
  redis: { host: string; port: number };
  /** Put before its keys in Redis. */
  prefix: string;
  /** For its files. */
  dir: string;
  ttlMs: number;
  /** Memory of its process-local cache, if it has one. */
  l1Bytes: number;
  /** Connections to PostgreSQL. */
  connections: number;
  /** Of zmsg, if they are not its default. */
  batchShards?: number | undefined;
  loads: LoadWatch;
}

/** One way to build the application: posts that are read, liked and published. */
export interface Contender {
  start(): Promise<void>;
  read(id: string): Promise<PostText | undefined>;
  /** Resolves as durable as its description says. */
  like(id: string): Promise<unknown>;
  /** A new post, without likes. */
  post(id: string, body: string): Promise<unknown>;
  /** Everything that was acknowledged is in PostgreSQL. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** What the caches of process-local size hold: a value, its key, and what keeping both takes. */
export const ENTRY_BYTES = 400;
