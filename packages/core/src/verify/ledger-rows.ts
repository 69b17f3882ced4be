import { formatDecimal } from '@zmsg/workers/log';
import type { Session } from '../store/store.js';
import type { LedgerTarget } from './ledger-target.js';
import type { LedgerFinding } from './verification.js';

/** A row of the ledger as it is read. */
export interface LedgerRow {
  readonly table_name: string | null;
  readonly column_name: string | null;
  readonly key_column: string | null;
  readonly key: string | null;
  readonly acknowledged: string;
  readonly attempted: string;
}

interface Unbalanced {
  i: number;
  rows: number;
  value: string;
  missing: string;
  double: string;
  is_missing: boolean;
}

interface Compared {
  readonly row: LedgerRow;
  readonly key: string;
  readonly early: string;
  readonly all: string;
  readonly dead: string;
}

export function invalidFinding(row: LedgerRow, reason: string): LedgerFinding {
  return { ...headOf(row), kind: 'invalid', reason };
}

/**
 * Compares rows of the ledger that are about one column; what does not balance comes back.
 *
 * What was acknowledged when the database was looked at is there, or was in the log by then: so the
 * lower bound takes all that the log holds now. What counts against the upper bound must have been
 * attempted by then: so only what was in the log before.
 */
export async function compareLedgerRows(
  target: LedgerTarget,
  rows: readonly LedgerRow[],
  session: Session,
): Promise<LedgerFinding[]> {
  const findings: LedgerFinding[] = [];
  const compared: Compared[] = [];
  for (const row of rows) {
    const key = target.keyOf(row.key);
    if (key === undefined) {
      findings.push(invalidFinding(row, `the key is no ${target.keyType}`));
      continue;
    }
    const change = target.rows.get(key);
    if (change?.isUncertain === true) {
      const reason = 'something else than inc and dec is pending for it';
      findings.push({ ...headOf(row), kind: 'uncertain', reason });
    } else {
      const [early, all, dead] =
        change === undefined
          ? ['0', '0', '0']
          : ([change.early, change.all, change.dead].map(formatDecimal) as [string, string, string]);
      compared.push({ row, key, early, all, dead });
    }
  }
  if (compared.length === 0) return findings;
  const unbalanced = await session.exec<Unbalanced>(queryOf(target), [
    compared.map(({ key }) => key),
    compared.map(({ row }) => row.acknowledged),
    compared.map(({ row }) => row.attempted),
    compared.map(({ early }) => early),
    compared.map(({ all }) => all),
    compared.map(({ dead }) => dead),
  ]);
  for (const each of unbalanced.rows) {
    findings.push(findingOf(each, compared[each.i - 1] as Compared, target.isUncertain));
  }
  return findings;
}

function queryOf({ table, column, keyColumn, keyType }: LedgerTarget): string {
  return `
SELECT i::int4, rows::float8, value::text, (acknowledged - value - pending - dead)::text AS missing,
       (value + early + dead - attempted)::text AS double,
       acknowledged > value + pending + dead AS is_missing
  FROM (SELECT k.i, k.acknowledged, k.attempted, k.early, k.pending, k.dead,
               count(t.${keyColumn}) AS rows, COALESCE(sum(t.${column}::numeric), 0) AS value
          FROM unnest($1::pg_catalog.${keyType}[], $2::numeric[], $3::numeric[], $4::numeric[], $5::numeric[],
                      $6::numeric[]) WITH ORDINALITY AS k(key, acknowledged, attempted, early, pending, dead, i)
          LEFT JOIN ${table} AS t ON t.${keyColumn} = k.key
         GROUP BY 1, 2, 3, 4, 5, 6) AS found
 WHERE rows > 1 OR acknowledged > value + pending + dead OR value + early + dead > attempted
 ORDER BY i`;
}

function findingOf(
  found: Unbalanced,
  { row, early, all, dead }: Compared,
  isUncertain: boolean,
): LedgerFinding {
  const { rows, value, is_missing: isMissing } = found;
  if (rows > 1) return invalidFinding(row, `${rows} rows have this key`);
  const figures = { ...headOf(row), value, pending: isMissing ? all : early, deadLetters: dead };
  const amount = isMissing ? found.missing : found.double;
  if (!isUncertain) return { ...figures, kind: isMissing ? 'missing' : 'double', amount };
  const reason = `${amount} ${isMissing ? 'too few' : 'too many'}, but what is pending may change any row`;
  return { ...figures, kind: 'uncertain', reason };
}

function headOf(row: LedgerRow) {
  return {
    table: row.table_name ?? '',
    column: row.column_name ?? '',
    keyColumn: row.key_column ?? '',
    key: row.key ?? undefined,
    acknowledged: row.acknowledged,
    attempted: row.attempted,
  };
}
