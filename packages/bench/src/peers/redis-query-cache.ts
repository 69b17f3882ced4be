import { Cache, type MutationOption } from 'drizzle-orm/cache/core';
import type { Redis } from 'ioredis';

const TTL_MS = 3_600_000;

/**
 * Drizzle's own cache extension, over ioredis: a query with a tag is kept under it until the tag is invalidated.
 * Invalidation by table, which Drizzle offers too, would empty the cache at each write.
 */
export class RedisQueryCache extends Cache {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    super();
    this.#redis = redis;
    this.#prefix = prefix;
  }

  override strategy(): 'explicit' {
    return 'explicit';
  }

  override async get(tag: string): Promise<unknown[] | undefined> {
    const text = await this.#redis.get(this.#prefix + tag);
    return text === null ? undefined : JSON.parse(text);
  }

  /** Of the answer of `pg` only what Drizzle reads again: the rest would be most of it. */
  override async put(tag: string, { rows }: { rows: unknown[] }): Promise<void> {
    await this.#redis.set(this.#prefix + tag, JSON.stringify({ rows }), 'PX', TTL_MS);
  }

  override async onMutate({ tags }: MutationOption): Promise<void> {
    if (tags !== undefined) await this.#redis.del([tags].flat().map((tag) => this.#prefix + tag));
  }
}
