import type { Pool } from 'pg';

/** What all contenders of a contest read and write: rows of an id and 100 characters. */
export const FEEDS = 'bench_feeds';
export const FEED_PREFIX = 'bench_feed_';
export const CONTENT_LENGTH = 100;

export function feedId(n: number): string {
  return FEED_PREFIX + n;
}

/** Each row has its own, so that the value of another one is noticed. */
export function feedContent(n: number): string {
  return String(n).padStart(CONTENT_LENGTH, '.');
}

/** Rows 0 to `count - 1`, all in memory of PostgreSQL. */
export async function createFeeds(pool: Pool, count: number): Promise<void> {
  await pool.query(`DROP TABLE IF EXISTS ${FEEDS}`);
  await pool.query(`CREATE TABLE ${FEEDS} (id text PRIMARY KEY, content text NOT NULL)`);
  await pool.query(
    `INSERT INTO ${FEEDS} SELECT $1 || n, lpad(n::text, $2, '.') FROM generate_series(0, $3::int - 1) n`,
    [FEED_PREFIX, CONTENT_LENGTH, count],
  );
  await pool.query(`VACUUM ANALYZE ${FEEDS}`);
}
