import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';
import pg from 'pg';
import { type Contender, ENTRY_BYTES, type Site } from '../contender.js';
import { type Post, postText } from '../post.js';

/**
 * Two levels with a bus between nodes, as its documentation sets them up. Its memory holds JSON, bounded by items:
 * with `serialize: false`, what comes from Redis is kept as text that the next read cannot take (1.6.1 throws).
 */
export class BentocacheFeed implements Contender {
  readonly #site: Site;
  readonly #pool: pg.Pool;
  readonly #cache: ReturnType<typeof openCache>;

  constructor(site: Site) {
    this.#site = site;
    this.#pool = new pg.Pool({ connectionString: site.dsn, max: site.connections });
    this.#cache = openCache(site);
  }

  async start(): Promise<void> {}

  read(id: string): Promise<string | undefined> {
    return this.#cache.getOrSet({ key: id, factory: () => this.#load(id) });
  }

  async like(id: string): Promise<void> {
    await this.#pool.query({
      name: 'like',
      text: 'UPDATE posts SET likes = likes + 1 WHERE id = $1',
      values: [id],
    });
    await this.#cache.delete({ key: id });
  }

  async post(id: string, body: string): Promise<void> {
    await this.#pool.query({
      name: 'post',
      text: 'INSERT INTO posts (id, body) VALUES ($1, $2)',
      values: [id, body],
    });
    await this.#cache.set({ key: id, value: postText({ id, likes: 0, body }) });
  }

  async settle(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#cache.disconnectAll();
    await this.#pool.end();
  }

  async #load(id: string): Promise<string | undefined> {
    const { rows } = await this.#pool.query<Post>({
      name: 'read',
      text: 'SELECT id, likes, body FROM posts WHERE id = $1',
      values: [id],
    });
    this.#site.loads.loaded(id);
    return rows[0] && postText(rows[0]);
  }
}

function openCache({ redis, prefix, ttlMs, l1Bytes }: Site) {
  return new BentoCache({
    default: 'feed',
    ttl: ttlMs,
    prefix: prefix.replace(/:$/, ''),
    stores: {
      feed: bentostore()
        .useL1Layer(memoryDriver({ maxItems: Math.floor(l1Bytes / ENTRY_BYTES) }))
        .useL2Layer(redisDriver({ connection: redis }))
        .useBus(redisBusDriver({ connection: redis })),
    },
  });
}
