-- Tasks that PostgreSQL, or the fold before it, refused for good: each was left out of its flush and is
-- kept here, by the same transaction that moved the progress mark past it.
CREATE TABLE zmsg_dead_letters (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- counter, slice, map, put, or content for a statement of the caller's.
  kind            text NOT NULL,
  -- NULL for content.
  table_name      text,
  column_name     text,
  -- How many operations were folded into it.
  operations      bigint NOT NULL,
  -- What to show and what to run again. Not jsonb, which has no \u0000.
  task            json NOT NULL,
  -- Of the last attempt. sqlstate is NULL where PostgreSQL was never asked.
  sqlstate        text,
  error           text NOT NULL,
  attempts        integer NOT NULL DEFAULT 1,
  first_failed_at timestamptz NOT NULL DEFAULT now(),
  last_failed_at  timestamptz NOT NULL DEFAULT now(),
  -- Where it came from: the log, its shard, and the position up to which that flush wrote.
  log_id          uuid NOT NULL,
  shard           integer NOT NULL,
  position        bigint NOT NULL
);
