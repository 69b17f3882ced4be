import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Contender, Site } from '../contender.js';
import { postText } from '../post.js';

const posts = pgTable('posts', {
  id: text('id').primaryKey(),
  likes: integer('likes').notNull().default(0),
  body: text('body').notNull(),
});

/** An ORM with Redis in front; all queries are prepared, as its page on performance advises. */
export class DrizzleFeed implements Contender {
  readonly #site: Site;
  readonly #pool: pg.Pool;
  readonly #redis: Redis;
  readonly #queries: ReturnType<typeof prepare>;

  constructor(site: Site) {
    this.#site = site;
    this.#pool = new pg.Pool({ connectionString: site.dsn, max: site.connections });
    this.#queries = prepare(this.#pool);
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
    const [post] = await this.#queries.read.execute({ id });
    this.#site.loads.loaded(id);
    if (post === undefined) return undefined;
    const value = postText(post);
    await this.#redis.set(id, value, 'PX', this.#site.ttlMs);
    return value;
  }

  async like(id: string): Promise<void> {
    await this.#queries.like.execute({ id });
    await this.#redis.del(id);
  }

  async post(id: string, body: string): Promise<void> {
    await this.#queries.post.execute({ id, body });
    await this.#redis.set(id, postText({ id, likes: 0, body }), 'PX', this.#site.ttlMs);
  }

  async settle(): Promise<void> {}

  async stop(): Promise<void> {
    this.#redis.disconnect();
    await this.#pool.end();
  }
}

function prepare(pool: pg.Pool) {
  const db = drizzle(pool);
  const id = sql.placeholder('id');
  return {
    read: db.select().from(posts).where(eq(posts.id, id)).prepare('read'),
    like: db
      .update(posts)
      .set({ likes: sql`${posts.likes} + 1` })
      .where(eq(posts.id, id))
      .prepare('like'),
    post: db
      .insert(posts)
      .values({ id, body: sql.placeholder('body') })
      .prepare('post'),
  };
}
