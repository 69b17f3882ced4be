import { InvalidTaskError, StoreError } from '@zmsg/workers';
import { Columns, type Shape } from '@zmsg/workers/log';
import { quoteTable } from '../sql/identifier.js';
import type { Session } from '../store/store.js';
import { addDeadLetters } from './dead-letter-changes.js';
import { compareLedgerRows, invalidFinding, type LedgerRow } from './ledger-rows.js';
import { LedgerTarget } from './ledger-target.js';
import type { PendingChanges } from './pending-changes.js';
import type { LedgerFinding, LedgerVerification } from './verification.js';

const PAGE_ROWS = 10_000;
const MAX_FINDINGS = 1000;

/**
 * Compares each row of the ledger: acknowledged ≤ value + pending in the log + dead letters ≤ attempted.
 * Runs in one transaction, of which it holds one page at a time. One query per page and counted column.
 *
 * @throws InvalidTaskError when `table` is no name of a table; StoreError when it cannot be read
 */
export async function verifyLedger(
  table: string,
  changes: PendingChanges,
  session: Session,
  { hasDeadLetters }: { hasDeadLetters: boolean },
): Promise<LedgerVerification> {
  const quoted = quoteTable(table);
  if (hasDeadLetters) await addDeadLetters(session, changes);
  const tally = new Tally(table);
  const targets = new Targets(changes, session);
  await targets.describe(changes.shapes);
  // Sorted, so that a page is about few columns.
  await open(session, table, quoted);
  for (;;) {
    const { rows } = await session.exec<LedgerRow>(`FETCH ${PAGE_ROWS} FROM zmsg_ledger`, []);
    for (const group of groupsOf(rows)) {
      const target = await targets.of(group[0] as LedgerRow);
      const findings =
        target instanceof LedgerTarget
          ? await compareLedgerRows(target, group, session)
          : group.map((row) => invalidFinding(row, target.message));
      tally.add(group, findings);
    }
    if (rows.length < PAGE_ROWS) break;
  }
  await session.exec('CLOSE zmsg_ledger', []);
  return tally.result();
}

async function open(session: Session, table: string, quoted: string): Promise<void> {
  try {
    await session.exec(
      `DECLARE zmsg_ledger NO SCROLL CURSOR FOR
       SELECT table_name::text, column_name::text, key_column::text, key::text,
              COALESCE(acknowledged, 0)::text AS acknowledged,
              COALESCE(attempted, acknowledged, 0)::text AS attempted
         FROM ${quoted} ORDER BY table_name, column_name, key_column`,
      [],
    );
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const { message, sqlState } = error;
    throw new StoreError(`the ledger ${table} cannot be read: ${message}`, { cause: error, sqlState });
  }
}

/** Of rows that are sorted, those about one column. */
function groupsOf(rows: readonly LedgerRow[]): LedgerRow[][] {
  const groups: LedgerRow[][] = [];
  for (const row of rows) {
    const last = groups.at(-1);
    if (last !== undefined && nameOf(last[0] as LedgerRow) === nameOf(row)) last.push(row);
    else groups.push([row]);
  }
  return groups;
}

function nameOf(row: LedgerRow): string {
  return JSON.stringify([row.table_name, row.column_name, row.key_column]);
}

/** The column that is counted; the last one is kept. */
class Targets {
  readonly #changes: PendingChanges;
  readonly #session: Session;
  readonly #columns = new Columns();
  #name: string | undefined;
  #target: LedgerTarget | InvalidTaskError | undefined;

  constructor(changes: PendingChanges, session: Session) {
    this.#changes = changes;
    this.#session = session;
  }

  async describe(shapes: readonly Shape[]): Promise<void> {
    await this.#columns.describe(shapes, {
      query: async (query, values) => {
        const [text, given] = typeof query === 'string' ? [query, values] : [query.text, query.values];
        return { command: '', ...(await this.#session.exec(text, given)) };
      },
    });
  }

  async of(row: LedgerRow): Promise<LedgerTarget | InvalidTaskError> {
    const name = nameOf(row);
    if (name !== this.#name || this.#target === undefined) {
      this.#target = await this.#find(row);
      this.#name = name;
    }
    return this.#target;
  }

  async #find(row: LedgerRow): Promise<LedgerTarget | InvalidTaskError> {
    const names = {
      table: row.table_name ?? '',
      column: row.column_name ?? '',
      keyColumn: row.key_column ?? '',
    };
    try {
      return await LedgerTarget.describe(names, this.#changes, this.#columns, (shapes) =>
        this.describe(shapes),
      );
    } catch (error) {
      if (error instanceof InvalidTaskError) return error;
      throw error;
    }
  }
}

class Tally {
  readonly #table: string;
  readonly #counts = { missing: 0, double: 0, uncertain: 0, invalid: 0 };
  readonly #findings: LedgerFinding[] = [];
  #rows = 0;

  constructor(table: string) {
    this.#table = table;
  }

  add(rows: readonly LedgerRow[], findings: readonly LedgerFinding[]): void {
    this.#rows += rows.length;
    for (const finding of findings) this.#counts[finding.kind] += 1;
    this.#findings.push(...findings.slice(0, MAX_FINDINGS - this.#findings.length));
  }

  result(): LedgerVerification {
    const { missing, double, uncertain, invalid } = this.#counts;
    const balanced = this.#rows - missing - double - uncertain - invalid;
    return { table: this.#table, rows: this.#rows, balanced, ...this.#counts, findings: this.#findings };
  }
}
