import type { Pool } from 'pg';

export const LIKED_POSTS = 10_000;

export function likedPost(n: number): string {
  return `post_${(n * 7919) % LIKED_POSTS}`;
}

/** One counter for each of 10,000 posts; each contender has a table of its own, whose sum is checked. */
export async function createLikes(pool: Pool, table: string): Promise<void> {
  await pool.query(`DROP TABLE IF EXISTS ${table}`);
  await pool.query(
    `CREATE TABLE ${table} (id text PRIMARY KEY, likes bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)`,
  );
  await pool.query(
    `INSERT INTO ${table} (id) SELECT 'post_' || n FROM generate_series(0, ${LIKED_POSTS - 1}) n`,
  );
  await pool.query(`VACUUM ANALYZE ${table}`);
}

/** @throws Error unless every like is there, once */
export async function checkLikes(pool: Pool, table: string, expected: number): Promise<void> {
  const { rows } = await pool.query<{ likes: number }>(`SELECT sum(likes)::float8 AS likes FROM ${table}`);
  const likes = rows[0]?.likes;
  if (likes !== expected) throw new Error(`${table} has ${likes} likes, not ${expected}`);
}
