import { join } from 'node:path';
import { counter, type Durability, type LoadFunction, sql, ZMsg } from '@zmsg/core';
import type { Contender, Site } from '../contender.js';
import { ID_PREFIX, type Post, postText } from '../post.js';

export interface ZmsgFeedOptions {
  durability: Durability;
  /**
   * `ttl`: a cached value keeps its count until it expires. `exact`: a like takes the value out of the caches,
   * and a load asks the shards for what is pending, too.
   */
  counts: 'ttl' | 'exact';
  /** `store`: in PostgreSQL when it is acknowledged; `periodic`: in the log, as safe, and in all caches. @default 'store' */
  posts?: 'store' | 'periodic';
}

const SELECT = 'SELECT id, likes, body FROM posts WHERE id = ANY($1)';

/** All options that are not those of every contender are the defaults. */
export class ZmsgFeed implements Contender {
  readonly #site: Site;
  readonly #options: ZmsgFeedOptions;
  #zm: ZMsg | undefined;

  constructor(site: Site, options: ZmsgFeedOptions) {
    this.#site = site;
    this.#options = options;
  }

  async start(): Promise<void> {
    const { dsn, redis, prefix, dir, ttlMs, l1Bytes, connections, batchShards } = this.#site;
    const zm = await ZMsg.open({
      postgresDsn: dsn,
      postgresMaxOpenConns: connections,
      redisAddr: `${redis.host}:${redis.port}`,
      cachePrefix: prefix,
      dataDir: join(dir, 'zmsg'),
      walSync: this.#options.durability,
      defaultTtl: ttlMs,
      l1MaxCost: l1Bytes,
      batchShards,
      logLevel: 'error',
    });
    zm.loader(ID_PREFIX, this.#load);
    this.#zm = zm;
  }

  read(id: string) {
    return this.#engine.get(id);
  }

  async like(id: string): Promise<void> {
    const zm = this.#engine;
    const like = counter('posts', 'likes').inc(1).where('id = ?', id).batchKey(id);
    await zm.cacheAndPeriodicStore(id, null, like);
    if (this.#options.counts === 'exact') await zm.del(id);
  }

  post(id: string, body: string): Promise<unknown> {
    const text = Buffer.from(postText({ id, likes: 0, body }));
    const insert = sql('INSERT INTO posts (id, body) VALUES (?, ?)', id, body);
    // One batch key with the likes of the post, which must not come before it.
    return this.#options.posts === 'periodic'
      ? this.#engine.cacheAndPeriodicStore(id, text, insert.batchKey(id))
      : this.#engine.cacheAndStore(id, text, insert);
  }

  async settle(): Promise<void> {
    await this.#engine.flush();
  }

  async stop(): Promise<void> {
    await this.#zm?.close();
  }

  /** A function and not `{ table, key, columns }`, so that loads are counted as those of all contenders are. */
  readonly #load: LoadFunction = async (ids, db) => {
    const { rows } = await db.exec<Post>(SELECT, [ids]);
    if (this.#options.counts === 'exact') await Promise.all(rows.map((row) => this.#addPending(row)));
    for (const id of ids) this.#site.loads.loaded(id);
    return new Map(rows.map((row) => [row.id, postText(row)]));
  };

  async #addPending(row: Post): Promise<void> {
    const task = counter('posts', 'likes').get().where('id = ?', row.id).batchKey(row.id);
    const [now] = await this.#engine.query<{ likes: number }>(task);
    if (now !== undefined) row.likes = Number(now.likes);
  }

  get #engine(): ZMsg {
    if (this.#zm === undefined) throw new Error('not started');
    return this.#zm;
  }
}
