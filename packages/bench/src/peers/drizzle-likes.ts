import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigint, pgTable, text } from 'drizzle-orm/pg-core';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { RedisQueryCache } from './redis-query-cache.js';

/** A like by a prepared update of Drizzle's; then the post's cached query is invalidated. */
export class DrizzleLikes {
  readonly #db;
  readonly #like;

  constructor(redis: Redis, pool: Pool, table: string) {
    const posts = pgTable(table, { id: text().primaryKey(), likes: bigint({ mode: 'number' }).notNull() });
    this.#db = drizzle({ client: pool, cache: new RedisQueryCache(redis, 'drizzle-likes:') });
    this.#like = this.#db
      .update(posts)
      .set({ likes: sql`${posts.likes} + 1` })
      .where(eq(posts.id, sql.placeholder('id')))
      .prepare(`drizzle like ${table}`);
  }

  async like(id: string): Promise<void> {
    const { rowCount } = await this.#like.execute({ id });
    if (rowCount !== 1) throw new Error(`${id} was not found`);
    await this.#db.$cache.invalidate({ tags: id });
  }
}
