import { quoteTable } from './identifier.js';
import type { Session } from './session.js';

export interface ColumnDescription {
  readonly name: string;
  /** Name in pg_type, domains resolved to their base type. */
  readonly type: string;
  /** With its modifier, as SQL: `numeric(10,2)`. */
  readonly declaredType: string;
  /** Without modifier: a cast to it neither cuts nor rounds. */
  readonly plainType: string;
  /** -1: none. */
  readonly modifier: number;
  readonly isBuiltin: boolean;
  readonly isGenerated: boolean;
  /** False for collations in which different texts are equal. */
  readonly isDeterministic: boolean;
}

/** The columns of a unique index or exclusion constraint; undefined for one over expressions. */
export type UniqueColumns = ReadonlySet<string> | undefined;

export interface TableDescription {
  /** The same for two names exactly if they may show the same rows. Undefined: cannot be told (views, inheritance). */
  readonly relation: string | undefined;
  readonly columns: ReadonlyMap<string, ColumnDescription>;
  readonly uniques: readonly UniqueColumns[];
}

const TABLES = `
SELECT s.i::int4 AS i, c.oid::text AS oid,
       CASE WHEN c.relispartition THEN pg_partition_root(c.oid) ELSE c.oid END::oid::text AS root,
       c.relkind IN ('r', 'p') AND NOT c.relhasrules AND
         (c.relkind = 'p' OR c.relispartition
          OR NOT EXISTS (SELECT 1 FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))) AS apart
  FROM unnest($1::text[]) WITH ORDINALITY AS s(name, i)
  JOIN pg_class c ON c.oid = to_regclass(s.name)`;

const COLUMNS = `
WITH RECURSIVE a AS (
  SELECT attrelid, attnum, attname, atttypid AS type, atttypmod AS modifier, attcollation,
         attgenerated <> '' AS generated
    FROM pg_attribute WHERE attrelid = ANY ($1::oid[]) AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT a.attrelid, a.attnum, a.attname, t.typbasetype, t.typtypmod, a.attcollation, a.generated
    FROM a JOIN pg_type t ON t.oid = a.type WHERE t.typtype = 'd'
)
SELECT a.attrelid::text AS oid, a.attnum::int4 AS number, a.attname::text AS name, t.typname::text AS type,
       format_type(a.type, a.modifier) AS declared, format_type(a.type, -1) AS plain, a.modifier::int4 AS modifier,
       t.typnamespace = 'pg_catalog'::regnamespace AS builtin, a.generated,
       COALESCE(co.collisdeterministic, true) AS deterministic
  FROM a JOIN pg_type t ON t.oid = a.type LEFT JOIN pg_collation co ON co.oid = a.attcollation
 WHERE t.typtype <> 'd'`;

const UNIQUES = `
SELECT indrelid::text AS oid, indkey::text AS numbers, indnkeyatts::int4 AS count
  FROM pg_index WHERE indrelid = ANY ($1::oid[]) AND (indisunique OR indisexclusion)`;

/** Describes tables given as `name` or `schema.name`; one that does not exist is left out. */
export async function describeTables(
  names: readonly string[],
  session: Session,
): Promise<Map<string, TableDescription>> {
  const tables = await session.query(TABLES, [names.map(quoteTable)]);
  const oids = tables.rows.map(({ oid }) => oid as string);
  const columns = await session.query(COLUMNS, [oids]);
  const uniques = await session.query(UNIQUES, [oids]);

  const described = new Map<string, TableDescription>();
  for (const table of tables.rows) {
    const own = columns.rows.filter(({ oid }) => oid === table.oid);
    const nameOf = new Map(own.map(({ number, name }) => [number as number, name as string]));
    described.set(names[(table.i as number) - 1] as string, {
      relation: table.apart === true ? (table.root as string) : undefined,
      columns: new Map(own.map((row) => [row.name as string, columnOf(row)])),
      uniques: uniques.rows.filter(({ oid }) => oid === table.oid).map((row) => uniqueOf(row, nameOf)),
    });
  }
  return described;
}

function columnOf(row: Record<string, unknown>): ColumnDescription {
  return {
    name: row.name as string,
    type: row.type as string,
    declaredType: row.declared as string,
    plainType: row.plain as string,
    modifier: row.modifier as number,
    isBuiltin: row.builtin as boolean,
    isGenerated: row.generated as boolean,
    isDeterministic: row.deterministic as boolean,
  };
}

function uniqueOf(row: Record<string, unknown>, nameOf: ReadonlyMap<number, string>): UniqueColumns {
  const numbers = (row.numbers as string).split(' ').slice(0, row.count as number);
  const names = numbers.map((number) => nameOf.get(Number(number)));
  return names.includes(undefined) ? undefined : new Set(names as string[]);
}
