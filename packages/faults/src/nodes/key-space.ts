/** What is promised for a key, by how it is written. */
export type KeyKind =
  /** By strong writes and deletions of all nodes; loaded through a table, which the Bloom filter knows. */
  | 'table'
  /** The same; loaded by a function that takes its time between the query and its answer. */
  | 'slow'
  /** By periodic writes of one node: the caches are ahead of the database. */
  | 'periodic'
  /** By `cacheOnly` and `update` of one node. */
  | 'cached';

const COUNTS: readonly (readonly [KeyKind, number])[] = [
  ['table', 140],
  ['slow', 60],
  ['periodic', 40],
  ['cached', 40],
];

export interface AuditedKey {
  readonly at: number;
  readonly kind: KeyKind;
  readonly name: string;
}

export const PREFIXES: Readonly<Record<KeyKind, string>> = {
  table: 'table:',
  slow: 'slow:',
  periodic: 'periodic:',
  cached: 'cached:',
};

/** All keys that are read and written; few enough that each is hot, and many enough to be evicted. */
export const KEYS: readonly AuditedKey[] = COUNTS.flatMap(([kind, count]) =>
  Array.from({ length: count }, (_, n) => ({ kind, name: `${PREFIXES[kind]}${n}` })),
).map((key, at) => ({ ...key, at }));

/** The order of its writes is the order of their commits, and each is in the commit log. */
export function isStrong({ kind }: AuditedKey): boolean {
  return kind === 'table' || kind === 'slow';
}

/** Rows, and the log of commits: written by the statement that writes the row. */
export const TABLES = `
  CREATE TABLE audited_rows (id text PRIMARY KEY, version bigint NOT NULL DEFAULT 0, data bytea);
  CREATE TABLE audited_commits (
    id text NOT NULL,
    version bigint NOT NULL,
    write bigint NOT NULL,
    is_deletion boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, version)
  );
`;

/**
 * The version is counted under the row's lock, so it is the order of the commits, whichever node they come from.
 * NULL data: deleted; the row goes on counting. Placeholders: data, key, write, is deletion.
 */
export const STRONG_WRITE = `
  WITH changed AS (
    UPDATE audited_rows SET version = version + 1, data = ? WHERE id = ? RETURNING id, version
  )
  INSERT INTO audited_commits (id, version, write, is_deletion)
  SELECT id, version, ?::bigint, ?::boolean FROM changed`;

/** Placeholders: data, key. */
export const PERIODIC_WRITE = 'UPDATE audited_rows SET data = ? WHERE id = ?';
