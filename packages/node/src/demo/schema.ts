/**
 * The tables of the demo, made anew by each run. Names of their own, so that a demo in a shared database
 * meets nobody's data. No migration: those are applied once, and whoever drops these tables to clean up
 * must be able to run the demo again.
 *
 * The counted tables leave room in their pages (fillfactor): an UPDATE of a column without an index
 * then stays in its page and touches no index.
 */
export const CREATE_TABLES = [
  'DROP TABLE IF EXISTS zmsg_demo_posts, zmsg_demo_post_meta, zmsg_demo_user_meta',
  `CREATE TABLE zmsg_demo_posts (
    id      text COLLATE "C" PRIMARY KEY,
    author  text NOT NULL,
    content text NOT NULL
  )`,
  `CREATE TABLE zmsg_demo_post_meta (
    id         text COLLATE "C" PRIMARY KEY,
    like_count bigint NOT NULL DEFAULT 0,
    tags       jsonb NOT NULL DEFAULT '[]',
    extra      jsonb NOT NULL DEFAULT '{}'
  ) WITH (fillfactor = 70)`,
  `CREATE TABLE zmsg_demo_user_meta (
    id             text COLLATE "C" PRIMARY KEY,
    follower_count bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 70)`,
] as const;

/** A post and its counters, in one statement. */
export const INSERT_POST = `
WITH post AS (INSERT INTO zmsg_demo_posts (id, author, content) VALUES (?, ?, ?) RETURNING id)
INSERT INTO zmsg_demo_post_meta (id) SELECT id FROM post`;

/** Many posts: arrays of ids, authors and contents. */
export const INSERT_POSTS = `
WITH post AS (
  INSERT INTO zmsg_demo_posts (id, author, content)
  SELECT * FROM unnest(?::text[], ?::text[], ?::text[]) RETURNING id
)
INSERT INTO zmsg_demo_post_meta (id) SELECT id FROM post`;

/** An embedded PostgreSQL gathers no statistics by itself, and without them it may scan the whole table. */
export const ANALYZE_TABLES = 'ANALYZE zmsg_demo_posts, zmsg_demo_post_meta';
