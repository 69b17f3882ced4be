import type { Redis } from 'ioredis';
import type { Pool } from 'pg';

/** A like as it is written by hand: the row is updated, then the post's value is deleted from Redis. */
export class HandLikes {
  readonly #redis: Redis;
  readonly #pool: Pool;
  readonly #table: string;

  constructor(redis: Redis, pool: Pool, table: string) {
    this.#redis = redis;
    this.#pool = pool;
    this.#table = table;
  }

  async like(id: string): Promise<void> {
    const { rowCount } = await this.#pool.query({
      name: `like ${this.#table}`,
      text: `UPDATE ${this.#table} SET likes = likes + 1 WHERE id = $1`,
      values: [id],
    });
    if (rowCount !== 1) throw new Error(`${id} was not found`);
    await this.#redis.del(`likes:${id}`);
  }
}
