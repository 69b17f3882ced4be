import { eq, sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { FEEDS } from './feed-table.js';
import { RedisQueryCache } from './redis-query-cache.js';

const feeds = pgTable(FEEDS, { id: text().primaryKey(), content: text().notNull() });

/** Drizzle with its cache extension over Redis. Writes are prepared; a cached query cannot be, since its tag is its own. */
export class DrizzleFeeds {
  readonly #db: NodePgDatabase;
  readonly #update;
  readonly #insert;

  constructor(redis: Redis, pool: Pool) {
    this.#db = drizzle({ client: pool, cache: new RedisQueryCache(redis, 'drizzle:') });
    const id = sql.placeholder('id');
    const content = sql.placeholder('content');
    this.#update = this.#db
      .update(feeds)
      .set({ content: sql`${content}` })
      .where(eq(feeds.id, id))
      .prepare('drizzle update');
    this.#insert = this.#db.insert(feeds).values({ id, content }).prepare('drizzle insert');
  }

  async get(id: string): Promise<string | undefined> {
    const [row] = await this.#db
      .select({ content: feeds.content })
      .from(feeds)
      .where(eq(feeds.id, id))
      .$withCache({ tag: id, autoInvalidate: false });
    return row?.content;
  }

  /** The row, then its cached query is dropped: a new value cannot be put there. */
  async update(id: string, content: string): Promise<number> {
    const { rowCount } = await this.#update.execute({ id, content });
    await this.#db.$cache.invalidate({ tags: id });
    return rowCount ?? 0;
  }

  async insert(id: string, content: string): Promise<number> {
    const { rowCount } = await this.#insert.execute({ id, content });
    await this.#db.$cache.invalidate({ tags: id });
    return rowCount ?? 0;
  }
}
