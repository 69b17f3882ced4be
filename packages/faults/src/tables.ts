/** Rows of `fault_rows`: few enough that each is hot, and several are in every flush. */
export const ROWS = 48;

/** Rows of `fault_poison`. */
export const POISON_ROWS = 6;

/**
 * The tables that the workloads write. What must exist once has no unique index: a second one is to
 * be seen, not to be refused.
 */
export const TABLES = `
  CREATE TABLE fault_rows (
    id integer PRIMARY KEY,
    likes bigint NOT NULL DEFAULT 0,
    views bigint NOT NULL DEFAULT 0,
    tags jsonb NOT NULL DEFAULT '[]',
    extra jsonb NOT NULL DEFAULT '{}'
  );
  INSERT INTO fault_rows (id) SELECT generate_series(0, ${ROWS - 1});
  CREATE TABLE fault_upserts (id text PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
  CREATE TABLE fault_inserts (id text NOT NULL, CONSTRAINT no_poison CHECK (id NOT LIKE 'y%'));
  CREATE TABLE fault_poison (
    id integer PRIMARY KEY,
    n bigint NOT NULL DEFAULT 0,
    small smallint NOT NULL DEFAULT 0,
    CONSTRAINT small_n CHECK (n < 100)
  );
  INSERT INTO fault_poison (id) SELECT generate_series(0, ${POISON_ROWS - 1});
`;
