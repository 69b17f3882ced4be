import { Redis } from 'ioredis';
import pg from 'pg';
import type { Contender, Site } from '../contender.js';
import { type Post, postText } from '../post.js';

export interface CacheAsideOptions {
  /** `delete`: a like deletes the cached value. `ttl`: the value keeps its count until it expires. */
  counts: 'delete' | 'ttl';
}

/**
 * Redis in front of PostgreSQL, by hand, as well as it is done: statements are prepared once per connection,
 * and commands of one turn of the event loop go as one pipeline (what ioredis' documentation advises for many
 * single commands).
 */
export class CacheAside implements Contender {
  readonly #site: Site;
  readonly #options: CacheAsideOptions;
  readonly #pool: pg.Pool;
  readonly #redis: Redis;

  constructor(site: Site, options: CacheAsideOptions) {
    this.#site = site;
    this.#options = options;
    this.#pool = new pg.Pool({ connectionString: site.dsn, max: site.connections });
    this.#redis = new Redis({
      ...site.redis,
      keyPrefix: site.prefix,
      enableAutoPipelining: true,
      lazyConnect: true,
    });
  }

  async start(): Promise<void> {
    await this.#redis.connect();
  }

  async read(id: string): Promise<string | undefined> {
    const cached = await this.#redis.get(id);
    if (cached !== null) return cached;
    const { rows } = await this.#pool.query<Post>({
      name: 'read',
      text: 'SELECT id, likes, body FROM posts WHERE id = $1',
      values: [id],
    });
    this.#site.loads.loaded(id);
    const [post] = rows;
    if (post === undefined) return undefined;
    const text = postText(post);
    await this.#redis.set(id, text, 'PX', this.#site.ttlMs);
    return text;
  }

  async like(id: string): Promise<void> {
    await this.#pool.query({
      name: 'like',
      text: 'UPDATE posts SET likes = likes + 1 WHERE id = $1',
      values: [id],
    });
    if (this.#options.counts === 'delete') await this.#redis.del(id);
  }

  async post(id: string, body: string): Promise<void> {
    await this.#pool.query({
      name: 'post',
      text: 'INSERT INTO posts (id, body) VALUES ($1, $2)',
      values: [id, body],
    });
    await this.#redis.set(id, postText({ id, likes: 0, body }), 'PX', this.#site.ttlMs);
  }

  async settle(): Promise<void> {}

  async stop(): Promise<void> {
    this.#redis.disconnect();
    await this.#pool.end();
  }
}
