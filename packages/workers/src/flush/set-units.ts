import type { AggregatedGroup } from '../aggregate/group.js';
import type { KeyColumn } from '../aggregate/row-key.js';
import { arrayLiteral } from './array-literal.js';
import { type Assignment, assignmentOf, EMPTY } from './assignment.js';
import { quoteIdentifier, quoteTable } from './identifier.js';
import { separateUnit } from './separate-units.js';
import type { FlushStatement } from './statement.js';
import type { FlushUnit } from './unit.js';

/** Rows in one unit, and so in one UPDATE. */
const MAX_ROWS = 5000;
/** Characters of parameters in one unit, unless a single row has more. */
const MAX_CHARS = 8 << 20;
/** PostgreSQL takes 65,535 parameters; rows to insert come as parameters of their own. */
const MAX_PARAMETERS = 20_000;

interface Row {
  readonly group: AggregatedGroup;
  readonly assignment: Assignment;
}

/**
 * Groups of one shape and level, all of reach `row`: one statement per form of assignment. Rows are in
 * the order of their keys, so that two flushes take their locks in the same order.
 */
export function* setUnits(groups: readonly AggregatedGroup[]): Generator<FlushUnit> {
  for (const round of roundsOf(groups)) {
    const rows = round.map((group) => ({ group, assignment: assignmentOf(group) }));
    // Where a row is to be inserted first, it stays with its update.
    const sets = round[0]?.shape.insertColumns === undefined ? formsOf(rows) : [rows];
    for (const set of sets) for (const chunk of chunksOf(set)) yield unitOf(chunk);
  }
}

function unitOf(rows: readonly Row[]): FlushUnit {
  const groups = rows.map(({ group }) => group);
  return {
    groups,
    *statements() {
      yield* insertStatements(groups);
      for (const form of formsOf(rows)) yield updateStatement(form);
    },
    part: (from, to) => unitOf(rows.slice(from, to)),
    apart: () => separateUnit(groups[0] as AggregatedGroup),
  };
}

function formsOf(rows: readonly Row[]): Iterable<Row[]> {
  const forms = new Map<string, Row[]>();
  for (const row of rows) {
    const form = forms.get(row.assignment.form);
    if (form === undefined) forms.set(row.assignment.form, [row]);
    else form.push(row);
  }
  return forms.values();
}

/**
 * A statement updates a row only once, whatever it joins it with: groups of different batch keys for one
 * row go into different rounds.
 */
function roundsOf(groups: readonly AggregatedGroup[]): AggregatedGroup[][] {
  const rounds: AggregatedGroup[][] = [];
  const seen = new Map<string, number>();
  for (const group of groups) {
    const rowKey = group.rowKey as string;
    const round = seen.get(rowKey) ?? 0;
    seen.set(rowKey, round + 1);
    if (round === rounds.length) rounds.push([]);
    rounds[round]?.push(group);
  }
  for (const round of rounds) round.sort(byKey);
  return rounds;
}

function byKey(a: AggregatedGroup, b: AggregatedGroup): number {
  const [x, y] = [a.rowKey as string, b.rowKey as string];
  // Integers in their order, which is also that of most tables.
  if (x.length !== y.length) return x.length - y.length;
  return x < y ? -1 : x > y ? 1 : 0;
}

function* chunksOf(rows: readonly Row[]): Generator<Row[]> {
  let chunk: Row[] = [];
  let chars = 0;
  for (const row of rows) {
    const size = row.assignment.parameters.reduce((sum, text) => sum + text.length, 0);
    if (chunk.length >= MAX_ROWS || (chunk.length > 0 && chars + size > MAX_CHARS)) {
      yield chunk;
      chunk = [];
      chars = 0;
    }
    chunk.push(row);
    chars += size;
  }
  yield chunk;
}

function updateStatement(rows: readonly Row[]): FlushStatement {
  const { group, assignment } = rows[0] as Row;
  const { shape, columns } = group;
  const { keys = [] } = columns;
  const column = quoteIdentifier(shape.column);
  const parameters = assignment.parameters;
  const sources = [
    ...keys.map(({ type }, i) => `$${i + 1}::${type}[]`),
    ...parameters.map((_, i) => `$${keys.length + i + 1}::${assignment.parameterType}[]`),
  ];
  const names = [...keys.map((_, i) => `k${i}`), ...parameters.map((_, i) => `p${i}`)];
  const value = assignment.expression(`t.${column}`, (n) => `u.p${n}`);
  return {
    text:
      `WITH m AS (UPDATE ${quoteTable(shape.table)} AS t SET ${column} = ${value} ` +
      `FROM unnest(${sources.join(', ')}) WITH ORDINALITY AS u(${names.join(', ')}, i) ` +
      `WHERE ${keyCondition(keys)} RETURNING u.i) ` +
      `SELECT g.i FROM generate_series(1, ${rows.length}) AS g(i) ` +
      `WHERE NOT EXISTS (SELECT FROM m WHERE m.i = g.i)`,
    values: [
      ...keys.map((_, k) => arrayLiteral(rows.map((row) => row.group.keyTexts?.[k] as string))),
      ...parameters.map((_, p) => arrayLiteral(rows.map((row) => row.assignment.parameters[p] as string))),
    ],
    unmatched: 'rows',
    groups: rows.map((row) => row.group),
  };
}

function keyCondition(keys: readonly KeyColumn[]): string {
  return keys.map(({ name }, i) => `t.${quoteIdentifier(name)} = u.k${i}`).join(' AND ');
}

/** For `orInsert`: the rows that are not there yet, in the same state as one by one. */
function* insertStatements(groups: readonly AggregatedGroup[]): Generator<FlushStatement> {
  const { insertColumns } = (groups[0] as AggregatedGroup).shape;
  if (insertColumns === undefined) return;
  const perRow = insertColumns.length + ((groups[0] as AggregatedGroup).columns.keys?.length ?? 0);
  const size = Math.max(1, Math.floor(MAX_PARAMETERS / perRow));
  for (let i = 0; i < groups.length; i += size) {
    yield insertStatement(groups.slice(i, i + size), insertColumns);
  }
}

function insertStatement(
  groups: readonly AggregatedGroup[],
  insertColumns: readonly string[],
): FlushStatement {
  const { shape, columns } = groups[0] as AggregatedGroup;
  const { keys = [], insertTypes } = columns;
  const types = [...insertTypes, ...keys.map(({ type }) => type)];
  const values: unknown[] = [];
  const rows = groups.map(({ insertValues = [], keyTexts = [] }) => {
    const parameters = [...insertValues, ...keyTexts].map((value, i) => {
      values.push(value);
      return `$${values.length}::${types[i]}`;
    });
    return `(${parameters.join(', ')})`;
  });
  const names = [...insertColumns.map((_, i) => `v${i}`), ...keys.map((_, i) => `k${i}`)];
  const targets = [...insertColumns];
  const given = insertColumns.map((_, i) => `u.v${i}`);
  if (!targets.includes(shape.column)) {
    targets.push(shape.column);
    given.push(EMPTY[shape.kind]);
  }
  const table = quoteTable(shape.table);
  return {
    text:
      `INSERT INTO ${table} (${targets.map(quoteIdentifier).join(', ')}) SELECT ${given.join(', ')} ` +
      `FROM (VALUES ${rows.join(', ')}) AS u(${names.join(', ')}) ` +
      `WHERE NOT EXISTS (SELECT FROM ${table} AS t WHERE ${keyCondition(keys)}) ON CONFLICT DO NOTHING`,
    values,
    unmatched: 'never',
    groups,
  };
}
