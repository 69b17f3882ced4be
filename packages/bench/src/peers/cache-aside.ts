import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { FEEDS } from './feed-table.js';

const TTL_MS = 3_600_000;

/**
 * Redis in front of PostgreSQL, as it is written by hand: rows are kept in Redis as bytes, statements are prepared, a
 * value that was loaded is written to Redis without being waited for, and what was written is deleted from it.
 */
export class CacheAside {
  readonly #redis: Redis;
  readonly #pool: Pool;
  readonly #prefix: string;

  constructor(redis: Redis, pool: Pool, prefix = 'aside:') {
    this.#redis = redis;
    this.#pool = pool;
    this.#prefix = prefix;
  }

  async get(id: string): Promise<Buffer | undefined> {
    const cached = await this.#redis.getBuffer(this.#prefix + id);
    if (cached !== null) return cached;
    const { rows } = await this.#pool.query<{ content: string }>({
      name: 'aside get',
      text: `SELECT content FROM ${FEEDS} WHERE id = $1`,
      values: [id],
    });
    const [row] = rows;
    if (row === undefined) return undefined;
    const value = Buffer.from(row.content);
    void this.#redis.set(this.#prefix + id, value, 'PX', TTL_MS);
    return value;
  }

  async getMany(ids: readonly string[]): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    const missing: string[] = [];
    const cached = await this.#redis.mgetBuffer(ids.map((id) => this.#prefix + id));
    for (const [at, id] of ids.entries()) {
      const value = cached[at];
      if (value == null) missing.push(id);
      else found.set(id, value);
    }
    if (missing.length === 0) return found;
    const { rows } = await this.#pool.query<{ id: string; content: string }>({
      name: 'aside get many',
      text: `SELECT id, content FROM ${FEEDS} WHERE id = ANY($1)`,
      values: [missing],
    });
    const fills = this.#redis.pipeline();
    for (const { id, content } of rows) {
      const value = Buffer.from(content);
      found.set(id, value);
      fills.set(this.#prefix + id, value, 'PX', TTL_MS);
    }
    void fills.exec();
    return found;
  }

  /** Into Redis only. */
  async cacheMany(entries: readonly { id: string; content: string }[]): Promise<void> {
    const sets = this.#redis.pipeline();
    for (const { id, content } of entries) sets.set(this.#prefix + id, content, 'PX', TTL_MS);
    await sets.exec();
  }

  /** The row, then the new value into Redis. */
  async update(id: string, content: Buffer): Promise<number> {
    const { rowCount } = await this.#pool.query({
      name: 'aside update',
      text: `UPDATE ${FEEDS} SET content = $2 WHERE id = $1`,
      values: [id, content.toString()],
    });
    await this.#redis.set(this.#prefix + id, content, 'PX', TTL_MS);
    return rowCount ?? 0;
  }

  /** The row, then its value into Redis. */
  async insert(id: string, content: Buffer): Promise<number> {
    const { rowCount } = await this.#pool.query({
      name: 'aside insert',
      text: `INSERT INTO ${FEEDS} (id, content) VALUES ($1, $2)`,
      values: [id, content.toString()],
    });
    await this.#redis.set(this.#prefix + id, content, 'PX', TTL_MS);
    return rowCount ?? 0;
  }
}
